# Table 4c at MiniHOI's size: mimic loss as the sum of both.
_base_ = '../gen_vlkt_tiny_minihoi_short.py'

model = dict(bbox_head=dict(loss_mimic=dict(distance='l1+l2')))
