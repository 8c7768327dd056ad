# GEN-VLKT-S with noisy queries of annotated pairs (docs/train.md): DINO's settings, and as many noisy queries as others.
_base_ = '../gen_vlkt_s_hico.py'

model = dict(bbox_head=dict(denoising=dict(group_cfg=dict(num_dn_queries=64))))
