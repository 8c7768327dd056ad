# Table 4b: the base + interaction text, the HOI classifier starts from text embeddings.
_base_ = '../gen_vlkt_s_hico.py'

model = dict(bbox_head=dict(obj_classifier=dict(_delete_=True, type='LinearClassifier'), loss_mimic=None))
