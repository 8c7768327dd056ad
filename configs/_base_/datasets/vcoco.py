_base_ = 'hico_det.py'

dataset_type = 'VCOCODataset'
data_root = 'data/v-coco/'

train_dataloader = dict(
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        ann_file='annotations/trainval_vcoco.json',
        data_prefix=dict(img='images/train2014/'),
    )
)
test_dataloader = dict(
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        ann_file='annotations/test_vcoco.json',
        data_prefix=dict(img='images/val2014/'),
    )
)
val_dataloader = test_dataloader

# every role of every detected pair, as the official evaluation wants them
test_evaluator = dict(_delete_=True, type='VCOCOMetric', max_per_image=None)
val_evaluator = test_evaluator

tta_model = dict(max_per_img=None)
