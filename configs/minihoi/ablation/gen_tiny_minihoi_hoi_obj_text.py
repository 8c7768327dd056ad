# Table 4b at MiniHOI's size: + object text, the object classifier starts from text embeddings too.
_base_ = '../gen_vlkt_tiny_minihoi_short.py'

model = dict(bbox_head=dict(loss_mimic=None))
