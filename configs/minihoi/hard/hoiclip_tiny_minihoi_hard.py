# HOICLIP on the hard scenes (docs/minihoi.md).
_base_ = '../hoiclip_tiny_minihoi.py'

hard = dict(data_root='data/minihoi_hard/', render=dict(difficulty='hard'))
train_dataloader = dict(dataset=hard)
val_dataloader = dict(dataset=hard)
test_dataloader = dict(dataset=hard)
