# 25 % of the training images for as many epochs as with all of them (HOICLIP's table of fractions).
_base_ = '../gen_vlkt_s_hico.py'

train_dataloader = dict(dataset=dict(fraction=0.25))
