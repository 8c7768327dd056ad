# Non-rare first, with potential pairs.
_base_ = 'gen_vlkt_tiny_minihoi_rf_uc_potential.py'

zero_shot = 'non_rare_first'
model = dict(bbox_head=dict(zero_shot=zero_shot))
train_dataloader = dict(dataset=dict(zero_shot=zero_shot))
val_dataloader = dict(dataset=dict(zero_shot=zero_shot))
test_dataloader = dict(dataset=dict(zero_shot=zero_shot))
