# Table 4a at MiniHOI's size: the classifier of verbs without instance guided embedding, learned interaction queries plus p-GE.
_base_ = 'gen_tiny_minihoi_base_verb.py'

model = dict(bbox_head=dict(without='i-GE'))
