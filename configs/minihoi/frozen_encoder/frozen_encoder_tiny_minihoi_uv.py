# FrozenEncoderHead at MiniHOI's size, zero-shot: unseen verbs.
_base_ = 'frozen_encoder_tiny_minihoi.py'

zero_shot = 'unseen_verb'
model = dict(bbox_head=dict(zero_shot=zero_shot))
train_dataloader = dict(dataset=dict(zero_shot=zero_shot))
val_dataloader = dict(dataset=dict(zero_shot=zero_shot))
test_dataloader = dict(dataset=dict(zero_shot=zero_shot))
