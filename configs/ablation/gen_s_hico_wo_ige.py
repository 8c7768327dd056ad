# Table 4a: the base without instance guided embedding, learned interaction queries plus p-GE.
_base_ = 'gen_s_hico_base_triplet.py'

model = dict(bbox_head=dict(type='LearnedInteractionGENHead'))
