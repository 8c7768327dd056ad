# The paper's recipe (section 4.2): AdamW, 90 epochs, learning rate x0.1 at epoch 60, batch 16.
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=90, val_interval=5)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')

param_scheduler = [dict(type='MultiStepLR', begin=0, end=90, by_epoch=True, milestones=[60], gamma=0.1)]

optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='AdamW', lr=1e-4, weight_decay=1e-4, fused=True),
    # The rows of the two text classifiers keep close to CLIP.
    paramwise_cfg=dict(custom_keys={'backbone': dict(lr_mult=0.1), 'classifier.fc': dict(lr_mult=0.1)}),
    clip_grad=dict(max_norm=0.1, norm_type=2),
)

auto_scale_lr = dict(enable=False, base_batch_size=16)
