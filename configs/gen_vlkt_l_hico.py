_base_ = 'gen_vlkt_m_hico.py'

model = dict(bbox_head=dict(decoder=dict(num_layers=6)))
