# Table 4b at MiniHOI's size: the base + interaction text, the HOI classifier starts from text embeddings.
_base_ = '../gen_vlkt_tiny_minihoi_short.py'

model = dict(bbox_head=dict(obj_classifier=dict(_delete_=True, type='LinearClassifier'), loss_mimic=None))
