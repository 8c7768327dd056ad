# Control of Table 3 at MiniHOI's size, rare first, unseen composition: random directions in place of text embeddings.
_base_ = 'gen_vlkt_tiny_minihoi_rf_uc.py'

model = dict(bbox_head=dict(hoi_classifier=dict(text='random'), obj_classifier=dict(text='random')))
