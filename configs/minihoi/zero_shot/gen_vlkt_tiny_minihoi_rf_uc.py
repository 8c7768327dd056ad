# Table 3 at MiniHOI's size, rare first, unseen composition.
_base_ = '../gen_vlkt_tiny_minihoi_short.py'

zero_shot = 'rare_first'
model = dict(bbox_head=dict(zero_shot=zero_shot))
train_dataloader = dict(dataset=dict(zero_shot=zero_shot))
val_dataloader = dict(dataset=dict(zero_shot=zero_shot))
test_dataloader = dict(dataset=dict(zero_shot=zero_shot))
