# The paper's recipe on MiniHOI in a few minutes of two CPU cores: sizes and schedule differ, nothing else.
_base_ = [
    '_base_/models/gen_vlkt_tiny.py',
    '_base_/datasets/minihoi.py',
    '_base_/schedules/schedule_90e.py',
    '_base_/default_runtime.py',
]

max_epochs = 4
train_cfg = dict(max_epochs=max_epochs, val_interval=max_epochs)

# Few epochs want larger steps.
optim_wrapper = dict(optimizer=dict(lr=5e-4))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, by_epoch=False, begin=0, end=200),
    dict(
        type='CosineAnnealingLR',
        by_epoch=True,
        begin=0,
        end=max_epochs,
        T_max=max_epochs,
        eta_min_ratio=0.01,
        convert_to_iter_based=True,
    ),
]

default_hooks = dict(logger=dict(interval=100))
