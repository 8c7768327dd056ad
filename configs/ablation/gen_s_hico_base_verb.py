# Table 4a: the base with a classifier of the 117 verbs; an HOI class scores as its verb.
_base_ = 'gen_s_hico_base_triplet.py'

model = dict(bbox_head=dict(type='VerbGENHead'))
