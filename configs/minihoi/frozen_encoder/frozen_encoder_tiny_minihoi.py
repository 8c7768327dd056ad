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
test_pipeline = [*_base_.test_pipeline[:-1], clip_image, _base_.test_pipeline[-1]]
tta_pipeline = [
    _base_.tta_pipeline[0],
    dict(
        type='TestTimeAug',
        transforms=[*_base_.tta_pipeline[1].transforms[:-1], [clip_image], _base_.tta_pipeline[1].transforms[-1]],
    ),
]
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))
