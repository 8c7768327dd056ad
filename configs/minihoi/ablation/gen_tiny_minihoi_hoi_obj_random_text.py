# Control of Table 4b at MiniHOI's size: both text classifiers start from random directions instead of text embeddings.
_base_ = 'gen_tiny_minihoi_hoi_obj_text.py'

model = dict(bbox_head=dict(hoi_classifier=dict(text='random'), obj_classifier=dict(text='random')))
