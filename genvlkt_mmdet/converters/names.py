"""Translates parameter names between DETR-like research code and this package.

facebookresearch's DETR and the GEN-VLKT authors' code use the same names for their transformer. A rule is a pair of patterns,
with ``{}`` for the unchanged part, so it works in both directions.
"""

import re
from collections.abc import Sequence

_LAYER = (
    ('self_attn.{}', 'self_attn.attn.{}'),
    ('multihead_attn.{}', 'cross_attn.attn.{}'),
    ('linear1.{}', 'ffn.layers.0.0.{}'),
    ('linear2.{}', 'ffn.layers.1.{}'),
    ('norm1.{}', 'norms.0.{}'),
    ('norm2.{}', 'norms.1.{}'),
    ('norm3.{}', 'norms.2.{}'),
)


def transformer_rules(official: str, ours: str) -> tuple[tuple[str, str], ...]:
    """Rules, official pattern first, for a stack of transformer layers with these prefixes."""
    layers = tuple((f'{official}.layers.{{}}.{a}', f'{ours}.layers.{{}}.{b}') for a, b in _LAYER)
    return (*layers, (f'{official}.norm.{{}}', f'{ours}.post_norm.{{}}'))


def mlp_rules(official: str, ours: str) -> tuple[tuple[str, str], ...]:
    """Rules for a three-layer box MLP. In this package, it is a ``Sequential`` with activations in between."""
    return tuple((f'{official}.layers.{i}.{{}}', f'{ours}.{2 * i}.{{}}') for i in range(3))


BACKBONE_RULES = (('backbone.0.body.{}', 'backbone.{}'), ('input_proj.{}', 'neck.convs.0.conv.{}'))

# All parameters of the GEN-VLKT authors' model.
GEN_VLKT_RULES = (
    *BACKBONE_RULES,
    *transformer_rules('transformer.encoder', 'encoder'),
    *transformer_rules('transformer.instance_decoder', 'bbox_head.instance_decoder'),
    *transformer_rules('transformer.interaction_decoder', 'bbox_head.interaction_decoder'),
    ('query_embed_h.{}', 'bbox_head.human_embed.{}'),
    ('query_embed_o.{}', 'bbox_head.object_embed.{}'),
    ('pos_guided_embedd.{}', 'bbox_head.pair_embed.{}'),
    *mlp_rules('hum_bbox_embed', 'bbox_head.human_box_mlp'),
    *mlp_rules('obj_bbox_embed', 'bbox_head.object_box_mlp'),
    ('hoi_class_fc.{}', 'bbox_head.hoi_classifier.proj.{}'),
    ('visual_projection.{}', 'bbox_head.hoi_classifier.fc.{}'),
    ('eval_visual_projection.{}', 'bbox_head.hoi_classifier.eval_fc.{}'),
    ('logit_scale', 'bbox_head.hoi_classifier.logit_scale'),
    ('obj_class_fc.{}', 'bbox_head.obj_classifier.proj.{}'),
    ('obj_visual_projection.{}', 'bbox_head.obj_classifier.fc.{}'),
    ('obj_logit_scale', 'bbox_head.obj_classifier.logit_scale'),
)


# All parameters of the HOICLIP authors' model that it uses. `obj_class_fc` of their transformer projects the memory.
HOICLIP_RULES = (
    *(rule for rule in GEN_VLKT_RULES if not rule[0].startswith(('transformer.interaction_decoder.', 'hoi_class_fc.'))),
    *transformer_rules('transformer.clip_interaction_decoder', 'bbox_head.fusion_decoder'),
    ('transformer.queries2spacial_proj.{}', 'bbox_head.query_proj.0.{}'),
    ('transformer.queries2spacial_proj_norm.{}', 'bbox_head.query_proj.1.{}'),
    ('transformer.obj_class_fc.{}', 'bbox_head.memory_proj.0.{}'),
    ('transformer.obj_class_ln.{}', 'bbox_head.memory_proj.1.{}'),
    *mlp_rules('inter2verb', 'bbox_head.hoi_classifier.verb_mlp'),
    ('verb_projection.{}', 'bbox_head.hoi_classifier.verb_fc.{}'),
    ('verb2hoi_proj', 'bbox_head.hoi_classifier.verb_table'),
    ('verb2hoi_proj_eval', 'bbox_head.hoi_classifier.eval_verb_table'),
    ('clip_model.visual.{}', 'bbox_head.clip.visual.{}'),
)


# What that model has and does not use; the second name does not matter.
HOICLIP_UNUSED = tuple(
    (name, name)
    for name in (
        'transformer.interaction_decoder.{}',
        'transformer.clip_interaction_decoder.layers.{}.norm4.{}',
        'transformer.inter_guided_embedd.{}',
        'hoi_class_fc.{}',
        'clip_model.transformer.{}',
        'clip_model.token_embedding.{}',
        'clip_model.ln_final.{}',
        'clip_model.positional_embedding',
        'clip_model.text_projection',
        'clip_model.logit_scale',
    )
)


def rename(name: str, rules: Sequence[tuple[str, str]]) -> str | None:
    """Applies the first of the rules, pairs (from, to), that fits a name. None if no rule fits."""
    for source, target in rules:
        match = re.fullmatch(re.escape(source).replace(r'\{\}', '(.+?)'), name)
        if match:
            return target.format(*match.groups())
    return None


def current_name(name: str) -> str:
    """Returns the present name of a weight. Earlier versions called the box MLPs ``human_bbox`` and ``object_bbox``.

    Args:
        name (str): Name of a weight of :class:`GENHead`, or of a model that has one.

    Returns:
        str: The name in this version. Any other name stays as it is.
    """
    return re.sub(r'(^|\.)(human|object)_bbox\.', r'\1\2_box_mlp.', name)
