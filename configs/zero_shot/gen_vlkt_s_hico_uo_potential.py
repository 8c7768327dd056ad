# Unseen object, with potential pairs.
_base_ = 'gen_vlkt_s_hico_rf_uc_potential.py'

zero_shot = 'unseen_object'
model = dict(bbox_head=dict(zero_shot=zero_shot))
train_dataloader = dict(dataset=dict(zero_shot=zero_shot))
test_dataloader = dict(dataset=dict(zero_shot=zero_shot))
val_dataloader = dict(dataset=dict(zero_shot=zero_shot))
