# GEN-VLKT-S whose interaction queries pass through the last blocks of a frozen CLIP ViT-B/16, after SL-HOI. No mimic loss.
_base_ = 'gen_vlkt_s.py'

clip = dict(model_name='ViT-B-16-quickgelu', pretrained='openai')

model = dict(
    bbox_head=dict(
        type='FrozenEncoderHead',
        clip=clip,
        reads='blocks',
        num_blocks=3,
        box_bias=4.0,
        # Text rows and their biases stay as they start.
        hoi_classifier=dict(clip=clip, project=False, frozen=True, prior=0.01),
        obj_classifier=dict(clip=clip, project=False, frozen=True),
        loss_mimic=None,
    ),
)
