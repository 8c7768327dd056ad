# Table 4a: the base without position guided embedding, one query for human and object.
_base_ = 'gen_s_hico_base_triplet.py'

model = dict(bbox_head=dict(type='SharedQueryGENHead'))
