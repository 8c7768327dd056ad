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
test_pipeline = [
    dict(type='LoadHOIImage', imdecode_backend='pillow'),
    dict(type='HOIResizeShortSide', scale=800, max_size=1333),
    clip_image,
    dict(type='PackHOIInputs'),
]
tta_pipeline = [
    dict(type='LoadHOIImage', imdecode_backend='pillow'),
    dict(
        type='TestTimeAug',
        transforms=[
            [dict(type='HOIResizeShortSide', scale=scale, max_size=1333) for scale in (800, 672, 928)],
            [dict(type='RandomFlip', prob=0.0), dict(type='RandomFlip', prob=1.0)],
            [clip_image],
            [dict(type='PackHOIInputs')],
        ],
    ),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))
val_dataloader = test_dataloader

# The text rows are frozen: only the backbone learns slowly.
optim_wrapper = dict(paramwise_cfg=dict(_delete_=True, custom_keys={'backbone': dict(lr_mult=0.1)}))
