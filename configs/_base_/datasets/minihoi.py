# MiniHOI, the rendered benchmark: made on first use under data_root. The pipeline is short, since training runs on CPU.
dataset_type = 'MiniHOIDataset'
data_root = 'data/minihoi/'

train_pipeline = [
    dict(type='LoadHOIImage'),
    dict(type='LoadHOIAnnotations', with_bbox=True),
    dict(type='RandomFlip', prob=0.5),
    # the tiny CLIP's input
    dict(type='MakeCLIPImage', size=64),
    dict(type='PackHOIInputs'),
]
test_pipeline = [
    dict(type='LoadHOIImage'),
    # keeps the rendered size, and records the scale
    dict(type='HOIResizeShortSide', scale=128, max_size=128),
    dict(type='PackHOIInputs'),
]
# tools/test.py --tta
tta_pipeline = [
    dict(type='LoadHOIImage'),
    dict(
        type='TestTimeAug',
        transforms=[
            [dict(type='HOIResizeShortSide', scale=scale, max_size=scale) for scale in (128, 144)],
            [dict(type='RandomFlip', prob=0.0), dict(type='RandomFlip', prob=1.0)],
            [dict(type='PackHOIInputs')],
        ],
    ),
]
tta_model = dict(type='HOITTAModel')

train_dataloader = dict(
    batch_size=16,
    num_workers=1,
    persistent_workers=True,
    drop_last=True,
    sampler=dict(type='DefaultSampler', shuffle=True),
    collate_fn=dict(type='hoi_collate'),
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        ann_file='annotations/train.json',
        data_prefix=dict(img='images/train/'),
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    batch_size=16,
    num_workers=1,
    persistent_workers=True,
    drop_last=False,
    sampler=dict(type='DefaultSampler', shuffle=False),
    collate_fn=dict(type='hoi_collate'),
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        ann_file='annotations/val.json',
        data_prefix=dict(img='images/val/'),
        test_mode=True,
        pipeline=test_pipeline,
    ),
)
test_dataloader = dict(
    batch_size=16,
    num_workers=1,
    persistent_workers=True,
    drop_last=False,
    sampler=dict(type='DefaultSampler', shuffle=False),
    collate_fn=dict(type='hoi_collate'),
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        ann_file='annotations/test.json',
        data_prefix=dict(img='images/test/'),
        test_mode=True,
        pipeline=test_pipeline,
    ),
)

val_evaluator = dict(type='HICOMetric')
test_evaluator = val_evaluator
