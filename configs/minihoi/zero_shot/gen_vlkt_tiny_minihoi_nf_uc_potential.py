# Unseen pairs are trained as a detector finds them and CLIP names them (docs/unseen.md): non-rare first.
_base_ = 'gen_vlkt_tiny_minihoi_nf_uc.py'

train_dataloader = dict(
    dataset=dict(
        potential_pairs=dict(
            file='potential_pairs/train.json',
            detector=dict(config='detr_tiny_minihoi', checkpoint='genvlkt://detr_tiny_minihoi.pth'),
            clip='genvlkt://tiny_clip',
            # the tiny CLIP knows whole scenes, not enlarged parts
            zoom=False,
        )
    )
)
