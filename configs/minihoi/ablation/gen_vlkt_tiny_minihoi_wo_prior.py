# What the HOI classifier's prior does for a short training: text rows whose bias starts by chance, as the authors have it.
_base_ = '../gen_vlkt_tiny_minihoi_short.py'

model = dict(bbox_head=dict(hoi_classifier=dict(prior=None)))
