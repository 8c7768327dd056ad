# Table 4a at MiniHOI's size, the base: guided embeddings, a plain classifier of the 46 HOI classes, nothing of CLIP.
_base_ = '../gen_vlkt_tiny_minihoi_short.py'

model = dict(bbox_head=dict(clip=None, hoi_text=False, obj_text=False, loss_mimic=None))
