# The paper's method on MiniHOI in a few minutes of two CPU cores: sizes, schedule and two weights differ.
_base_ = [
    '_base_/models/gen_vlkt_tiny.py',
    '_base_/datasets/minihoi.py',
    '_base_/schedules/schedule_90e.py',
    '_base_/default_runtime.py',
]

# What so few steps need at this size, chosen on the validation split (docs/ablation.md): an HOI classifier that starts from
# few positives, with text as without, and a mimic loss that does not drown the others.
model = dict(bbox_head=dict(hoi_classifier=dict(prior=0.01), loss_mimic=dict(loss_weight=0.5)))

max_epochs = 2
train_cfg = dict(max_epochs=max_epochs, val_interval=max_epochs)

# Few epochs want larger steps.
optim_wrapper = dict(optimizer=dict(lr=1e-3))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, by_epoch=False, begin=0, end=80),
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

# The best checkpoint of the validation split, which is not the test split.
default_hooks = dict(logger=dict(interval=100), checkpoint=dict(save_best='hico/full'))
