# HOICLIP at MiniHOI's size, with the ablation study's schedule: GEN-VLKT's model and data, another interaction branch.
_base_ = 'gen_vlkt_tiny_minihoi_short.py'

clip = dict(model_name='genvlkt://tiny_clip')
attention = dict(num_heads=8, dropout=0.0)
model = dict(
    bbox_head=dict(
        type='HOICLIPHead',
        clip=clip,
        # as wide as CLIP's tokens
        fusion_decoder=dict(
            num_layers=3,
            layer_cfg=dict(
                self_attn_cfg=attention,
                cross_attn_cfg=attention,
                ffn_cfg=dict(feedforward_channels=256, ffn_drop=0.0),
            ),
        ),
        hoi_classifier=dict(type='TextVerbClassifier', clip=clip, frozen=True, verb_weight=0.5),
        obj_classifier=dict(clip=clip, frozen=True),
        loss_mimic=None,
    )
)

# CLIP's image is also needed to test.
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
