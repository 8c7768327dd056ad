# FrozenEncoderHead on HICO-DET, zero-shot: non-rare-first unseen combinations.
_base_ = 'frozen_encoder_s_hico.py'

zero_shot = 'non_rare_first'
model = dict(bbox_head=dict(zero_shot=zero_shot))
train_dataloader = dict(dataset=dict(zero_shot=zero_shot))
test_dataloader = dict(dataset=dict(zero_shot=zero_shot))
val_dataloader = dict(dataset=dict(zero_shot=zero_shot))
