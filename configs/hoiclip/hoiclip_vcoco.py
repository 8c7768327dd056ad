# HOICLIP on V-COCO.
_base_ = [
    '../_base_/models/hoiclip.py',
    '../_base_/datasets/vcoco.py',
    '../_base_/schedules/schedule_90e.py',
    '../_base_/default_runtime.py',
]

verb_embeddings = 'data/v-coco/verb_embeddings.safetensors'
model = dict(
    # The verb of each class. What the authors' code does instead: verb_table='object_as_released' (docs/hoiclip.md).
    bbox_head=dict(vocabulary='vcoco', hoi_classifier=dict(verb_weight=0.1, verb_embeddings=verb_embeddings)),
    # V-COCO ranks every detected person for every role, so all triplets of a pair stay.
    test_cfg=dict(
        _delete_=True,
        type='VerbHOITriplets',
        nms=dict(type='HOITripletNMS', iou_threshold=0.7, human_power=1.0, object_power=0.5),
    ),
)

# CLIP's image is also needed to test: after the resize, before the normalisation.
clip_image = dict(type='MakeCLIPImage', size=224)
test_pipeline = [*_base_.test_pipeline[:-1], clip_image, _base_.test_pipeline[-1]]
tta_pipeline = [
    _base_.tta_pipeline[0],
    dict(
        type='TestTimeAug',
        transforms=[*_base_.tta_pipeline[1].transforms[:-1], [clip_image], _base_.tta_pipeline[1].transforms[-1]],
    ),
]

train_dataloader = dict(batch_size=8)  # 2 GPUs x 8
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))
val_dataloader = test_dataloader

# The text rows are frozen: only the backbone learns slowly.
optim_wrapper = dict(paramwise_cfg=dict(_delete_=True, custom_keys={'backbone': dict(lr_mult=0.1)}))
