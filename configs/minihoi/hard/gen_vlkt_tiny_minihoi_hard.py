# The study's schedule on the hard scenes: smaller, more pairs, hidden parts, clutter, persons that only pose (docs/minihoi.md).
_base_ = '../gen_vlkt_tiny_minihoi_short.py'

hard = dict(data_root='data/minihoi_hard/', render=dict(difficulty='hard'))
train_dataloader = dict(dataset=hard)
val_dataloader = dict(dataset=hard)
test_dataloader = dict(dataset=hard)
