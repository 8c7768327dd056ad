# Table 4a at MiniHOI's size, the base: guided embeddings, a plain classifier of the 46 HOI classes, nothing of CLIP.
_base_ = '../gen_vlkt_tiny_minihoi_short.py'

model = dict(
    bbox_head=dict(
        hoi_classifier=dict(_delete_=True, type='LinearClassifier', prior=0.01),
        obj_classifier=dict(_delete_=True, type='LinearClassifier'),
        loss_mimic=None,
    )
)
