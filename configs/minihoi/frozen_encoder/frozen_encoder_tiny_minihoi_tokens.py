# Ablation of FrozenEncoderHead: plain cross-attention to CLIP's tokens, without the frozen blocks.
_base_ = 'frozen_encoder_tiny_minihoi.py'

model = dict(bbox_head=dict(reads='tokens', hoi_classifier=dict(project=True)))
