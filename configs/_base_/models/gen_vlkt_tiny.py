# The paper's model at a size for 128 x 128 images and a CPU: narrow ResNet-18 of stride 16, 128 channels, two encoder
# layers, three layers in each decoder. The tiny CLIP and the small DETR that ship with the package play the parts of
# CLIP and of the COCO-trained DETR; configs/minihoi/detr_tiny_minihoi.py has the same backbone, neck and layers.
_base_ = 'gen_vlkt_s.py'

clip = dict(_delete_=True, model_name='genvlkt://tiny_clip')
embed_dims = 128
attention = dict(embed_dims=embed_dims, num_heads=8, dropout=0.0)
ffn = dict(embed_dims=embed_dims, feedforward_channels=256, ffn_drop=0.0)

model = dict(
    backbone=dict(
        depth=18,
        base_channels=32,
        num_stages=3,
        strides=(1, 2, 2),
        dilations=(1, 1, 1),
        out_indices=(2,),
    ),
    neck=dict(in_channels=[128], out_channels=embed_dims),
    encoder=dict(num_layers=2, layer_cfg=dict(self_attn_cfg=attention, ffn_cfg=ffn)),
    positional_encoding=dict(num_feats=64),
    bbox_head=dict(
        vocabulary='minihoi',
        num_queries=16,
        embed_dims=embed_dims,
        decoder=dict(num_layers=3, layer_cfg=dict(self_attn_cfg=attention, cross_attn_cfg=attention, ffn_cfg=ffn)),
        hoi_classifier=dict(clip=clip, clip_dims=128),
        obj_classifier=dict(clip=clip, clip_dims=128),
        loss_mimic=dict(clip=clip),
    ),
    pretrained_detr='genvlkt://detr_tiny_minihoi.pth',
)
