# Table 4b: + object text, the object classifier starts from text embeddings too.
_base_ = '../gen_vlkt_s_hico.py'

model = dict(bbox_head=dict(loss_mimic=None))
