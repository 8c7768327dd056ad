# 5 % of the training images, as many steps as with all of them.
_base_ = '../hoiclip_tiny_minihoi.py'

train_dataloader = dict(dataset=dict(fraction=0.05))
