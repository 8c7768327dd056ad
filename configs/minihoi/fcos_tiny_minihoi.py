# The first of two stages, see detr_tiny_minihoi.py: its backbone and neck under mmdet's dense FCOS head, which trains a
# backbone from nothing in minutes. The COCO-trained DETR starts from an ImageNet-trained backbone for the same reason.
_base_ = 'detr_tiny_minihoi.py'

model = dict(
    _delete_=True,
    type='FCOS',
    data_preprocessor={{_base_.model.data_preprocessor}},
    backbone=dict(
        type='ResNet',
        depth=18,
        base_channels=32,
        num_stages=3,
        strides=(1, 2, 2),
        dilations=(1, 1, 1),
        out_indices=(2,),
        norm_cfg=dict(type='BN', requires_grad=True),
        norm_eval=False,
        style='pytorch',
    ),
    neck={{_base_.model.neck}},
    bbox_head=dict(
        type='FCOSHead',
        num_classes=10,
        in_channels=128,
        stacked_convs=1,
        feat_channels=128,
        norm_cfg=None,
        strides=[16],
        regress_ranges=((-1, 1e8),),
        center_sampling=True,
        center_sample_radius=1.0,
        norm_on_bbox=True,
        centerness_on_reg=True,
    ),
    test_cfg=dict(nms_pre=64, min_bbox_size=0, score_thr=0.05, nms=dict(type='nms', iou_threshold=0.5), max_per_img=16),
)

max_iters = 600
train_cfg = dict(max_iters=max_iters, val_interval=max_iters)
optim_wrapper = dict(optimizer=dict(lr=1e-3))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, by_epoch=False, begin=0, end=50),
    dict(type='CosineAnnealingLR', by_epoch=False, begin=50, end=max_iters, T_max=max_iters - 50, eta_min_ratio=0.01),
]
load_from = None

# Only trained: its predictions would need the compiled NMS of the full mmcv.
val_dataloader = None
val_evaluator = None
val_cfg = None
test_dataloader = None
test_evaluator = None
test_cfg = None
