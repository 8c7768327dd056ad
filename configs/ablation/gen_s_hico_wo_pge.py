# Table 4a: the classifier of verbs without position guided embedding, one query for human and object.
_base_ = 'gen_s_hico_base_verb.py'

model = dict(bbox_head=dict(without='p-GE'))
