_base_ = 'gen_vlkt_m_vcoco.py'

model = dict(bbox_head=dict(decoder=dict(num_layers=6)))
