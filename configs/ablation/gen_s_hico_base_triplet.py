# Table 4a, the base: guided embeddings, a plain classifier of the 600 HOI classes, nothing of CLIP.
_base_ = '../gen_vlkt_s_hico.py'

model = dict(bbox_head=dict(clip=None, hoi_text=False, obj_text=False, loss_mimic=None))
