# Rare first, with potential pairs: what a detector finds and CLIP names is trained too (docs/unseen.md). CLIP teaches through
# these pairs, and there is no mimic loss.
_base_ = 'gen_vlkt_tiny_minihoi_rf_uc.py'

model = dict(bbox_head=dict(loss_mimic=None))
train_dataloader = dict(
    dataset=dict(
        potential_pairs=dict(
            file='potential_pairs/train.json',
            detector=dict(config='detr_tiny_minihoi', checkpoint='genvlkt://detr_tiny_minihoi.pth'),
            clip='genvlkt://tiny_clip',
            # the tiny CLIP knows whole scenes, not enlarged parts of them
            zoom=False,
        )
    )
)
