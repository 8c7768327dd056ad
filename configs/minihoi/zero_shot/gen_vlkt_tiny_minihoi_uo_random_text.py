# Control of Table 3 at MiniHOI's size, unseen object: random directions in place of text embeddings.
_base_ = 'gen_vlkt_tiny_minihoi_uo.py'

model = dict(bbox_head=dict(hoi_classifier=dict(text='random'), obj_classifier=dict(text='random')))
