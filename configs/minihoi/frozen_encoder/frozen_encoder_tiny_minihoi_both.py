# Ablation of FrozenEncoderHead: cross-attention to CLIP's tokens, then the frozen blocks.
_base_ = 'frozen_encoder_tiny_minihoi.py'

model = dict(bbox_head=dict(reads='both'))
