# Table 3, non-rare first, unseen composition: pairs with an unseen HOI are dropped in training, the text classifiers are frozen.
_base_ = '../gen_vlkt_s_hico.py'

zero_shot = 'non_rare_first'
model = dict(bbox_head=dict(zero_shot=zero_shot))
train_dataloader = dict(dataset=dict(zero_shot=zero_shot))
test_dataloader = dict(dataset=dict(zero_shot=zero_shot))
val_dataloader = dict(dataset=dict(zero_shot=zero_shot))
