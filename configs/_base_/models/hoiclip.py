# HOICLIP on HICO-DET (CVPR 2023): GEN-VLKT-S whose interaction branch reads a frozen CLIP. There is no mimic loss.
_base_ = 'gen_vlkt_s.py'

clip = dict(model_name='ViT-B-32-quickgelu', pretrained='openai')
attention = dict(num_heads=8, dropout=0.1)

model = dict(
    bbox_head=dict(
        type='HOICLIPHead',
        clip=clip,
        # as wide as CLIP's tokens: 768 channels
        fusion_decoder=dict(
            num_layers=3,
            layer_cfg=dict(
                self_attn_cfg=attention,
                cross_attn_cfg=attention,
                ffn_cfg=dict(feedforward_channels=2048, ffn_drop=0.1),
            ),
        ),
        # Text rows and their biases stay as they start. In zero-shot training, the rows of all classes have no biases.
        hoi_classifier=dict(type='TextVerbClassifier', frozen=True, eval_bias=False, verb_weight=0.5),
        obj_classifier=dict(frozen=True),
        loss_mimic=None,
    ),
)
