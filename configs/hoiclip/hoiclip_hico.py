# HOICLIP on HICO-DET.
_base_ = [
    '../_base_/models/hoiclip.py',
    '../_base_/datasets/hico_det.py',
    '../_base_/schedules/schedule_90e.py',
    '../_base_/default_runtime.py',
]

# Made from the training images by `genvlkt data verb-embeddings`
verb_embeddings = 'data/hico_20160224_det/verb_embeddings.safetensors'
model = dict(bbox_head=dict(hoi_classifier=dict(verb_embeddings=verb_embeddings)))

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
