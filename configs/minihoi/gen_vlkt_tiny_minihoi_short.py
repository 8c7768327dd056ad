# The ablation study's schedule: 6,000 images, half of what the demo sees, in two minutes of two CPU cores.
_base_ = '../gen_vlkt_tiny_minihoi.py'

max_iters = 375  # of 16 images, whatever a zero-shot split leaves of the dataset
train_cfg = dict(_delete_=True, type='IterBasedTrainLoop', max_iters=max_iters, val_interval=max_iters)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, by_epoch=False, begin=0, end=40),
    dict(type='CosineAnnealingLR', by_epoch=False, begin=0, end=max_iters, T_max=max_iters, eta_min_ratio=0.01),
]

# Handing small batches over from a worker costs more than making them.
train_dataloader = dict(
    num_workers=0, persistent_workers=False, sampler=dict(_delete_=True, type='InfiniteSampler', shuffle=True)
)
val_dataloader = dict(num_workers=0, persistent_workers=False)
test_dataloader = dict(num_workers=0, persistent_workers=False)

log_processor = dict(by_epoch=False)
default_hooks = dict(checkpoint=dict(by_epoch=False, interval=max_iters))
