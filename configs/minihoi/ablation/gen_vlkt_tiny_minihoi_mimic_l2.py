# Table 4c at MiniHOI's size: mimic loss as mean squared error.
_base_ = '../gen_vlkt_tiny_minihoi_short.py'

model = dict(bbox_head=dict(loss_mimic=dict(distance='l2')))
