# Rare first, with potential pairs: what a detector finds and CLIP names is trained too (docs/unseen.md). Not in the paper, and
# not trained here. `genvlkt data potential` makes the file of the pairs.
_base_ = 'gen_vlkt_s_hico_rf_uc.py'

train_dataloader = dict(
    dataset=dict(
        potential_pairs=dict(
            file='potential_pairs/train2015.json',
            detector=dict(
                config='mmdet::detr/detr_r50_8xb2-150e_coco.py',
                checkpoint='https://download.openmmlab.com/mmdetection/v3.0/detr/detr_r50_8xb2-150e_coco/'
                'detr_r50_8xb2-150e_coco_20221023_153551-436d03e8.pth',
            ),
            clip={{_base_.clip}},
        )
    )
)
