# Table 4a at MiniHOI's size: the classifier of verbs without position guided embedding, one query for human and object.
_base_ = 'gen_tiny_minihoi_base_verb.py'

model = dict(bbox_head=dict(without='p-GE'))
