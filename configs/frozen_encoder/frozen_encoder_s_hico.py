# FrozenEncoderHead on HICO-DET.
_base_ = [
    '../_base_/models/frozen_encoder.py',
    '../_base_/datasets/hico_det.py',
    '../_base_/schedules/schedule_90e.py',
    '../_base_/default_runtime.py',
]

# CLIP's image is also needed to test. It is the whole image, so that boxes are at the same place in it.
clip_image = dict(type='MakeCLIPImage', size=224, keep_ratio=False)
train_pipeline = [*_base_.train_pipeline[:-2], clip_image, _base_.train_pipeline[-1]]
test_pipeline = [*_base_.test_pipeline[:-1], clip_image, _base_.test_pipeline[-1]]
tta_pipeline = [
    _base_.tta_pipeline[0],
    dict(
        type='TestTimeAug',
        transforms=[*_base_.tta_pipeline[1].transforms[:-1], [clip_image], _base_.tta_pipeline[1].transforms[-1]],
    ),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))
val_dataloader = test_dataloader

# The text rows are frozen: only the backbone learns slowly.
optim_wrapper = dict(paramwise_cfg=dict(_delete_=True, custom_keys={'backbone': dict(lr_mult=0.1)}))
