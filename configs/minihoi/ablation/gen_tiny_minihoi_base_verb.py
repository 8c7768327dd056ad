# Table 4a at MiniHOI's size: the base with a classifier of the 8 verbs; an HOI class scores as its verb.
_base_ = 'gen_tiny_minihoi_base_triplet.py'

model = dict(bbox_head=dict(type='VerbGENHead'))
