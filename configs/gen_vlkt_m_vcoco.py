_base_ = 'gen_vlkt_s_vcoco.py'

model = dict(backbone=dict(depth=101), pretrained_detr='checkpoints/detr-r101-2c7b67e5.pth')
