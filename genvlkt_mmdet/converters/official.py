"""Converts checkpoints from and to the formats of the GEN-VLKT authors' repository and of the HOICLIP authors'."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from ..vocabulary import load_vocabulary
from .files import weights_of
from .names import GEN_VLKT_RULES, HOICLIP_RULES, HOICLIP_UNUSED, current_name, rename

_Rules = Sequence[tuple[str, str]]

_HOI_ROWS = 'bbox_head.hoi_classifier.{}.weight'
_HOICLIP = 'transformer.clip_interaction_decoder.'
_SIZES = {(50, 3): 's', (101, 3): 'm', (101, 6): 'l'}
_SPLITS = dict(rare_first='rf_uc', non_rare_first='nf_uc', unseen_object='uo', unseen_verb='uv')


@dataclass(frozen=True)
class Recognised:
    """The config that a model belongs to.

    Attributes:
        config (str): Path of the config below ``configs/``.
        options (dict): Differences to that config, as for ``--cfg-options``.
        zero_shot (str, optional): The zero-shot split.
        note (str): What cannot be found from the weights. Empty if there is nothing.
    """

    config: str
    options: dict[str, Any] = field(default_factory=dict)
    zero_shot: str | None = None
    note: str = ''

    def __str__(self) -> str:
        options = ''.join(f' {key}={value}' for key, value in self.options.items())
        return f'configs/{self.config}' + (f' with --cfg-options{options}' if options else '') + self.note


def convert_official(official: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """Renames the authors' weights for this package. The tensors do not change.

    Args:
        official (Mapping): State dict of the model of GEN-VLKT's authors or of HOICLIP's.

    Returns:
        tuple[dict[str, Tensor], tuple[str]]: State dict of this package's model, in the same order, with added counters of
        batch norm, which the authors' frozen layers do not have. Names without a place here. What HOICLIP's model has but never
        uses (CLIP's text encoder, 67 other tensors) is in neither.
    """
    of_hoiclip = any(name.startswith(_HOICLIP) for name in official)
    if of_hoiclip:
        official = {name: value for name, value in official.items() if rename(name, HOICLIP_UNUSED) is None}
        if 'eval_visual_projection.weight' not in official:  # the same table is there twice
            official.pop('verb2hoi_proj_eval', None)
    converted, unknown = _renamed(official, HOICLIP_RULES if of_hoiclip else GEN_VLKT_RULES)
    with_counters = {}
    for name, value in converted.items():
        with_counters[name] = value
        if name.endswith('.running_var'):
            with_counters[name.replace('running_var', 'num_batches_tracked')] = torch.tensor(0)
    return with_counters, unknown


def revert_official(ours: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """Inverse of :func:`convert_official`, without what HOICLIP's model does not use.

    Args:
        ours (Mapping): State dict of a model of this package.

    Returns:
        tuple[dict[str, Tensor], tuple[str]]: As of :func:`convert_official`, for the authors' model.
    """
    weights = {current_name(k): v for k, v in ours.items() if not k.endswith('.num_batches_tracked')}
    return _renamed(weights, _reversed(HOICLIP_RULES if _is_hoiclip(weights) else GEN_VLKT_RULES))


def _reversed(rules: _Rules) -> _Rules:
    return tuple((ours, official) for official, ours in rules)


def _is_hoiclip(weights: Mapping[str, Tensor]) -> bool:
    """Whether a state dict of this package has the fusion decoder."""
    return any(name.startswith('bbox_head.fusion_decoder.') for name in weights)


def _renamed(
    weights: Mapping[str, Tensor], rules: _Rules
) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """The weights with their names by the rules, and the names for which there is no rule."""
    targets = {name: rename(name, rules) for name in weights}
    renamed = {target: weights[name] for name, target in targets.items() if target is not None}
    return renamed, tuple(name for name, target in targets.items() if target is None)


def recognise(weights: Mapping[str, Tensor], args: Mapping[str, Any] | None = None) -> Recognised:
    """Finds the config that weights belong to.

    Args:
        weights (Mapping): State dict of a model of this package, GEN-VLKT or HOICLIP.
        args (Mapping, optional): The training arguments in the authors' checkpoint.

    Returns:
        Recognised: The config.

    Raises:
        ValueError: If the weights are not of a GEN-VLKT, or no config has this number of HOI classes.
    """
    rows = weights.get(_HOI_ROWS.format('fc'))
    if rows is None:
        raise ValueError(
            'The checkpoint is no GEN-VLKT: it has no text classifier for HOIs ("visual_projection.weight" in the '
            "authors' names)."
        )
    eval_rows = weights.get(_HOI_ROWS.format('eval_fc'))
    dataset = _dataset(len(rows if eval_rows is None else eval_rows))
    depth = 101 if any(name.startswith('backbone.layer3.22.') for name in weights) else 50
    layers = _decoder_layers(weights)
    size = _SIZES.get((depth, layers), 's' if depth == 50 else 'l')
    options: dict[str, Any] = {}
    of_hoiclip = _is_hoiclip(weights)
    if of_hoiclip and depth != 50:
        options['model.backbone.depth'] = depth
    if layers != 3 if of_hoiclip else (depth, layers) not in _SIZES:
        for decoder in ('decoder', 'fusion_decoder') if of_hoiclip else ('decoder',):
            options[f'model.bbox_head.{decoder}.num_layers'] = layers
    queries = weights.get('bbox_head.human_embed.weight')
    if queries is not None and len(queries) != 64:
        options['model.bbox_head.num_queries'] = len(queries)
    table = weights.get('bbox_head.hoi_classifier.verb_table')
    if eval_rows is None:
        if of_hoiclip:
            return Recognised(f'hoiclip/hoiclip_{dataset}.py', options, note=_note_of_table(dataset, table))
        return Recognised(f'gen_vlkt_{size}_{dataset}.py', options)

    split, note = _split(dataset, rows, eval_rows, (args or {}).get('zero_shot_type'), table)
    if of_hoiclip:
        return Recognised(f'hoiclip/hoiclip_{dataset}_{_SPLITS[split]}.py', options, split, note)
    if size == 's':
        return Recognised(f'zero_shot/gen_vlkt_s_{dataset}_{_SPLITS[split]}.py', options, split, note)
    options['model.bbox_head.zero_shot'] = split
    return Recognised(f'gen_vlkt_{size}_{dataset}.py', options, split, note)


def _dataset(num_hois: int) -> str:
    names = {load_vocabulary(name).num_hois: name for name in ('hico', 'vcoco')}
    if num_hois not in names:
        known = ' or '.join(f'{count} ({name})' for count, name in names.items())
        raise ValueError(f'The HOI classifier has {num_hois} rows; a known model has {known}.')
    return names[num_hois]


def _decoder_layers(weights: Mapping[str, Tensor]) -> int:
    prefix = 'bbox_head.instance_decoder.layers.'
    return len({name.removeprefix(prefix).split('.')[0] for name in weights if name.startswith(prefix)})


def _note_of_table(dataset: str, table: Tensor | None) -> str:
    """A note if classes have other verbs than their own, as in the released V-COCO model of HOICLIP."""
    if table is None or table.argmax(0).tolist() == list(load_vocabulary(dataset).hoi_verbs):
        return ''
    return " (its verb table is the authors' one, by object, and is kept: docs/hoiclip.md)"


def _split(
    dataset: str, rows: Tensor, eval_rows: Tensor, told: str | None, table: Tensor | None = None
) -> tuple[str, str]:
    """The zero-shot split, and a note if the weights do not determine it."""
    vocabulary = load_vocabulary(dataset)
    fitting = [s for s in _SPLITS if s in vocabulary.splits and len(vocabulary.seen(s)) == len(rows)]
    if table is not None:  # the verbs of the seen classes
        verbs = table.argmax(0).tolist()
        fitting = [s for s in fitting if [vocabulary.hoi_verbs[i] for i in vocabulary.seen(s)] == verbs] or fitting
    if not fitting:
        raise ValueError(f"The classifier of seen HOIs has {len(rows)} rows; no zero-shot split of '{dataset}' has.")
    if told in fitting:
        return told, ''
    # Both classifiers start from the same text and are frozen, so their weights of seen classes are equal.
    equal = [name for name in fitting if torch.equal(rows, eval_rows[list(vocabulary.seen(name))].to(rows))]
    if len(equal) == 1 or len(fitting) == 1:
        return (equal or fitting)[0], ''
    return fitting[0], (
        f' (the weights fit the zero-shot splits {" and ".join(fitting)} alike: take the one that the model was trained with)'
    )


def official_name(name: str) -> str:
    """Name of a weight in the authors' code, or the same name if the weight has no place there."""
    return rename(name, _reversed(GEN_VLKT_RULES)) or rename(name, _reversed(HOICLIP_RULES)) or name


def official_to_genvlkt(checkpoint: Mapping[str, Any]) -> tuple[dict[str, Any], Recognised, tuple[str, ...]]:
    """Converts a checkpoint of the authors to one of this project.

    Args:
        checkpoint (Mapping): Content of the authors' file: ``model`` and, after training, ``args``, ``epoch`` and the
            state of the optimiser. The latter is not converted.

    Returns:
        tuple: Content of a checkpoint for this project (``state_dict``, ``meta``), its config, and names of weights that
        are not used.

    Raises:
        ValueError: If it is not a checkpoint of GEN-VLKT or HOICLIP.
    """
    official = weights_of(checkpoint)
    args = checkpoint.get('args')
    args = {} if args is None or isinstance(args, Tensor) else {key: _plain(value) for key, value in vars(args).items()}
    weights, unknown = convert_official(official)
    config = recognise(weights, args)
    vocabulary = load_vocabulary('vcoco' if 'vcoco' in config.config else 'hico')
    meta = dict(
        dataset_meta=dict(
            dataset_name=vocabulary.name,
            classes=vocabulary.object_names,
            vocabulary=vocabulary.to_dict(),
            zero_shot=config.zero_shot,
        ),
        config_name=config.config,
        official=dict(args=args, nested='model' in checkpoint),
    )
    return dict(meta=meta, state_dict=weights), config, unknown


def genvlkt_to_official(checkpoint: Mapping[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Converts a checkpoint of this project to one for the authors' code.

    Args:
        checkpoint (Mapping): Content of a checkpoint of this project.

    Returns:
        tuple: Content of the authors' file, ``dict(model=...)`` (only the weights if the checkpoint came from such a file),
        and names of weights that are not used. For HOICLIP, what its model has but never uses is filled in, because the authors'
        code loads strictly: the unused decoder is that of the instances, CLIP's text encoder is 0.

    Raises:
        ValueError: If it is neither a GEN-VLKT nor a HOICLIP.
    """
    weights = weights_of(checkpoint)
    official, unknown = revert_official(weights)
    if _is_hoiclip(weights):
        _fill_unused(official)
    if 'visual_projection.weight' not in official:
        raise ValueError('The checkpoint is no GEN-VLKT: it has no text classifier for HOIs ("hoi_classifier.fc").')
    origin = (checkpoint.get('meta') or {}).get('official', {}) if 'state_dict' in checkpoint else {}
    return dict(model=official) if origin.get('nested', True) else official, unknown


def _fill_unused(official: dict[str, Tensor]) -> None:
    """Adds what HOICLIP's model has but never uses, to weights with the authors' names."""
    table, projection = official['verb2hoi_proj'], official['clip_model.visual.proj']
    if table.shape[0] != load_vocabulary('vcoco').num_verbs:
        official.setdefault('verb2hoi_proj_eval', table)
    for name in list(official):
        if name.startswith('transformer.instance_decoder.'):
            official[name.replace('instance', 'interaction')] = official[name]
        if name.startswith(_HOICLIP) and '.norm3.' in name:
            official[name.replace('norm3', 'norm4')] = official[name]
    queries, channels = official['query_embed_h.weight'].shape
    width, dims = projection.shape
    shapes = {
        'transformer.inter_guided_embedd.weight': (queries, width),
        'hoi_class_fc.0.weight': (dims, channels),
        **{f'hoi_class_fc.{part}': (dims,) for part in ('0.bias', '1.weight', '1.bias')},
        # The text encoder of OpenAI's CLIP with this width
        'clip_model.positional_embedding': (77, dims),
        'clip_model.text_projection': (dims, dims),
        'clip_model.logit_scale': (),
        'clip_model.token_embedding.weight': (49408, dims),
        **{f'clip_model.ln_final.{part}': (dims,) for part in ('weight', 'bias')},
    }
    for i in range(12):
        block = f'clip_model.transformer.resblocks.{i}.'
        for part, size in (('attn.in_proj_', 3), ('attn.out_proj.', 1), ('mlp.c_fc.', 4)):
            shapes |= {f'{block}{part}weight': (size * dims, dims), f'{block}{part}bias': (size * dims,)}
        shapes |= {f'{block}mlp.c_proj.weight': (dims, 4 * dims), f'{block}mlp.c_proj.bias': (dims,)}
        shapes |= {f'{block}ln_{k}.{part}': (dims,) for k in (1, 2) for part in ('weight', 'bias')}
    # One number each in the file
    official.update({name: projection.new_zeros(()).expand(shape) for name, shape in shapes.items()})


def _plain(value: Any) -> Any:
    return value if isinstance(value, (bool, int, float, str, type(None))) else str(value)
