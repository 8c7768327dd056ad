# The short schedule with noisy queries of annotated pairs (docs/train.md). There are 16 other queries and up to 30 noisy ones.
_base_ = 'gen_vlkt_tiny_minihoi_short.py'

model = dict(bbox_head=dict(denoising=dict(group_cfg=dict(num_dn_queries=30))))
