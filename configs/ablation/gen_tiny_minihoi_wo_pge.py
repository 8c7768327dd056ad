# Table 4a at MiniHOI's size: the base without position guided embedding, one query for human and object.
_base_ = 'gen_tiny_minihoi_base_triplet.py'

model = dict(bbox_head=dict(type='SharedQueryGENHead'))
