# GEN-VLKT-S on HICO-DET: ResNet-50, three layers in each decoder (sections 3.2 and 4.2 of the paper).
clip = dict(model_name='ViT-B-32-quickgelu', pretrained='openai')

model = dict(
    type='GENVLKT',
    data_preprocessor=dict(
        type='HOIDataPreprocessor',
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        bgr_to_rgb=True,
        pad_size_divisor=1,
    ),
    backbone=dict(
        type='ResNet',
        depth=50,
        num_stages=4,
        out_indices=(3,),
        frozen_stages=1,
        norm_cfg=dict(type='BN', requires_grad=False),
        norm_eval=True,
        style='pytorch',
    ),
    neck=dict(
        type='ChannelMapper',
        in_channels=[2048],
        kernel_size=1,
        out_channels=256,
        act_cfg=None,
        norm_cfg=None,
        num_outs=1,
    ),
    encoder=dict(
        num_layers=6,
        layer_cfg=dict(
            self_attn_cfg=dict(embed_dims=256, num_heads=8, dropout=0.1),
            ffn_cfg=dict(embed_dims=256, feedforward_channels=2048, ffn_drop=0.1),
        ),
    ),
    positional_encoding=dict(num_feats=128, normalize=True),
    bbox_head=dict(
        type='GENHead',
        vocabulary='hico',
        num_queries=64,
        embed_dims=256,
        decoder=dict(
            num_layers=3,
            layer_cfg=dict(
                self_attn_cfg=dict(embed_dims=256, num_heads=8, dropout=0.1),
                cross_attn_cfg=dict(embed_dims=256, num_heads=8, dropout=0.1),
                ffn_cfg=dict(embed_dims=256, feedforward_channels=2048, ffn_drop=0.1),
            ),
        ),
        # section 3.3; clip_dims is the embedding width of the CLIP model
        hoi_classifier=dict(type='TextClassifier', clip=clip, clip_dims=512),
        obj_classifier=dict(type='TextClassifier', clip=clip, clip_dims=512),
        # sections 3.4 and 4.2
        loss_hoi=dict(type='HOIFocalLoss', alpha=0.5, gamma=2.0, loss_weight=2.0),
        loss_obj=dict(type='CrossEntropyLoss', bg_cls_weight=0.1, loss_weight=1.0),
        loss_bbox=dict(type='L1Loss', loss_weight=2.5),
        loss_iou=dict(type='GIoULoss', loss_weight=1.0),
        loss_mimic=dict(type='VLKTLoss', clip=clip, distance='l1', loss_weight=20.0),
    ),
    pretrained_detr='checkpoints/detr-r50-e632da11.pth',
    # section 3.4
    train_cfg=dict(
        assigner=dict(
            type='HOIHungarianAssigner',
            match_costs=[
                dict(type='HOIClassCost', weight=1.0),
                dict(type='HOIObjectClassCost', weight=1.0),
                dict(type='HOIPairL1Cost', weight=2.5),
                dict(type='HOIPairGIoUCost', weight=1.0),
            ],
        )
    ),
    # section 3.5
    test_cfg=dict(
        max_per_img=100,
        nms=dict(type='HOITripletNMS', iou_threshold=0.7, human_power=1.0, object_power=0.5),
    ),
)
