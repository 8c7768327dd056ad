# HICO-DET as the authors train and test on it. The input pipeline is DETR's plus colour jitter, with PIL's decoding
# and interpolation and DETR's rounding of sizes.
dataset_type = 'HICODetDataset'
data_root = 'data/hico_20160224_det/'

resize_short_side = dict(
    type='RandomChoiceResize',
    resize_type='HOIResizeShortSide',
    scales=list(range(480, 801, 32)),
    max_size=1333,
    backend='torchvision',
)
train_pipeline = [
    # OpenCV gives Pillow's pixels of a JPEG file in less time.
    dict(type='LoadHOIImage'),
    dict(type='LoadHOIAnnotations', with_bbox=True),
    dict(type='RandomFlip', prob=0.5),
    dict(type='HOIColorJitter', brightness=0.4, contrast=0.4, saturation=0.4),
    dict(
        type='RandomChoice',
        transforms=[
            [resize_short_side],
            [
                dict(
                    type='RandomChoiceResize',
                    resize_type='HOIResizeShortSide',
                    scales=[400, 500, 600],
                    backend='torchvision',
                ),
                dict(
                    type='RandomCrop',
                    crop_type='absolute_range',
                    crop_size=(384, 600),
                    allow_negative_crop=True,
                ),
                resize_short_side,
            ],
        ],
    ),
    dict(type='MakeCLIPImage', size=224),
    dict(type='PackHOIInputs'),
]
test_pipeline = [
    dict(type='LoadHOIImage', imdecode_backend='pillow'),
    dict(type='HOIResizeShortSide', scale=800, max_size=1333),
    dict(type='PackHOIInputs'),
]
# tools/test.py --tta: three sizes, each also mirrored
tta_pipeline = [
    dict(type='LoadHOIImage', imdecode_backend='pillow'),
    dict(
        type='TestTimeAug',
        transforms=[
            [dict(type='HOIResizeShortSide', scale=scale, max_size=1333) for scale in (800, 672, 928)],
            [dict(type='RandomFlip', prob=0.0), dict(type='RandomFlip', prob=1.0)],
            [dict(type='PackHOIInputs')],
        ],
    ),
]
tta_model = dict(type='HOITTAModel')

train_dataloader = dict(
    # 8 GPUs x 2
    batch_size=2,
    num_workers=4,
    persistent_workers=True,
    drop_last=True,
    sampler=dict(type='DefaultSampler', shuffle=True),
    collate_fn=dict(type='hoi_collate'),
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        ann_file='annotations/trainval_hico.json',
        data_prefix=dict(img='images/train2015/'),
        # as the authors: images with a pair that points to no box are left out, boxes are cut at the number of queries
        pair_index='drop_image',
        max_boxes=64,
        pipeline=train_pipeline,
    ),
)
test_dataloader = dict(
    batch_size=1,
    num_workers=2,
    persistent_workers=True,
    drop_last=False,
    sampler=dict(type='DefaultSampler', shuffle=False),
    collate_fn=dict(type='hoi_collate'),
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        ann_file='annotations/test_hico.json',
        data_prefix=dict(img='images/test2015/'),
        test_mode=True,
        pipeline=test_pipeline,
    ),
)
val_dataloader = test_dataloader

test_evaluator = dict(type='HICOMetric')
val_evaluator = test_evaluator
