# Table 4a: the classifier of verbs without instance guided embedding, learned interaction queries plus p-GE.
_base_ = 'gen_s_hico_base_verb.py'

model = dict(bbox_head=dict(without='i-GE'))
