# Table 4c at MiniHOI's size: mimic loss with the weight that the paper has at its size.
_base_ = '../gen_vlkt_tiny_minihoi_short.py'

model = dict(bbox_head=dict(loss_mimic=dict(loss_weight=20.0)))
