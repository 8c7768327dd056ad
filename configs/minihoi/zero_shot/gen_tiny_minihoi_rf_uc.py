# Table 3 at MiniHOI's size, rare first, unseen composition, baseline: no text, no mimic, plain linear classifiers.
_base_ = 'gen_vlkt_tiny_minihoi_rf_uc.py'

model = dict(
    bbox_head=dict(
        hoi_classifier=dict(_delete_=True, type='LinearClassifier', prior=0.01),
        obj_classifier=dict(_delete_=True, type='LinearClassifier'),
        loss_mimic=None,
    )
)
