# Table 3 at MiniHOI's size, non-rare first, unseen composition, baseline: no text, no mimic, plain linear classifiers.
_base_ = 'gen_vlkt_tiny_minihoi_nf_uc.py'

model = dict(bbox_head=dict(clip=None, hoi_text=False, obj_text=False, loss_mimic=None))
