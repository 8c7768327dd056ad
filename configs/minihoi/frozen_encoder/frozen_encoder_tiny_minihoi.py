# FrozenEncoderHead at MiniHOI's size: queries pass through the frozen blocks of the tiny CLIP with a ViT.
_base_ = '../gen_vlkt_tiny_minihoi_short.py'

clip = dict(model_name='genvlkt://tiny_clip_vit')
model = dict(
    bbox_head=dict(
        type='FrozenEncoderHead',
        clip=clip,
        reads='blocks',
        num_blocks=4,
        box_bias=4.0,
        hoi_classifier=dict(clip=clip, project=False),
        obj_classifier=dict(clip=clip, project=False),
        loss_mimic=None,
    )
)

# The head reads CLIP's image in tests, too.
clip_image = dict(type='MakeCLIPImage', size=64)
test_pipeline = [
    dict(type='LoadHOIImage'),
    dict(type='HOIResizeShortSide', scale=128, max_size=128),
    clip_image,
    dict(type='PackHOIInputs'),
]
tta_pipeline = [
    dict(type='LoadHOIImage'),
    dict(
        type='TestTimeAug',
        transforms=[
            [dict(type='HOIResizeShortSide', scale=scale, max_size=scale) for scale in (128, 144)],
            [dict(type='RandomFlip', prob=0.0), dict(type='RandomFlip', prob=1.0)],
            [clip_image],
            [dict(type='PackHOIInputs')],
        ],
    ),
]
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))
