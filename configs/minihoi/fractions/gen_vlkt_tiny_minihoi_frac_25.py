# 25 % of the training images, as many steps as with all of them.
_base_ = '../gen_vlkt_tiny_minihoi_short.py'

train_dataloader = dict(dataset=dict(fraction=0.25))
