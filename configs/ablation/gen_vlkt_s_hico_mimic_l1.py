# Table 4c: mimic loss as mean absolute error, the paper's choice.
_base_ = '../gen_vlkt_s_hico.py'

model = dict(bbox_head=dict(loss_mimic=dict(distance='l1')))
