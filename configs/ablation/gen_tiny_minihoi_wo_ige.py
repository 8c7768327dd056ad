# Table 4a at MiniHOI's size: the base without instance guided embedding, learned interaction queries plus p-GE.
_base_ = 'gen_tiny_minihoi_base_triplet.py'

model = dict(bbox_head=dict(type='LearnedInteractionGENHead'))
