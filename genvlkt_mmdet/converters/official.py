"""Converts checkpoints from and to the format of the GEN-VLKT authors' repository."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from ..vocabulary import load_vocabulary
from .files import weights_of
from .names import GEN_VLKT_RULES, current_name, rename

_REVERSED = tuple((ours, official) for official, ours in GEN_VLKT_RULES)
_HOI_ROWS = 'bbox_head.hoi_classifier.{}.weight'
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
        official (Mapping): State dict of the authors' model.

    Returns:
        tuple[dict[str, Tensor], tuple[str]]: State dict of this package's model, in the same order, with added counters of
        batch norm, which the authors' frozen layers do not have. Names that are not used.
    """
    converted, unknown = _renamed(official, GEN_VLKT_RULES)
    with_counters = {}
    for name, value in converted.items():
        with_counters[name] = value
        if name.endswith('.running_var'):
            with_counters[name.replace('running_var', 'num_batches_tracked')] = torch.tensor(0)
    return with_counters, unknown


def revert_official(ours: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """Inverse of :func:`convert_official`.

    Args:
        ours (Mapping): State dict of a GEN-VLKT model of this package.

    Returns:
        tuple[dict[str, Tensor], tuple[str]]: As of :func:`convert_official`, for the authors' model.
    """
    weights = {current_name(k): v for k, v in ours.items() if not k.endswith('.num_batches_tracked')}
    return _renamed(weights, _REVERSED)


def _renamed(
    weights: Mapping[str, Tensor], rules: Sequence[tuple[str, str]]
) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """The weights with their names by the rules, and the names for which there is no rule."""
    targets = {name: rename(name, rules) for name in weights}
    renamed = {target: weights[name] for name, target in targets.items() if target is not None}
    return renamed, tuple(name for name, target in targets.items() if target is None)


def recognise(weights: Mapping[str, Tensor], args: Mapping[str, Any] | None = None) -> Recognised:
    """Finds the config that weights belong to.

    Args:
        weights (Mapping): State dict of a GEN-VLKT model of this package.
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
    if (depth, layers) not in _SIZES:
        options['model.bbox_head.decoder.num_layers'] = layers
    queries = weights.get('bbox_head.human_embed.weight')
    if queries is not None and len(queries) != 64:
        options['model.bbox_head.num_queries'] = len(queries)
    if eval_rows is None:
        return Recognised(f'gen_vlkt_{size}_{dataset}.py', options)

    split, note = _split(dataset, rows, eval_rows, (args or {}).get('zero_shot_type'))
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


def _split(dataset: str, rows: Tensor, eval_rows: Tensor, told: str | None) -> tuple[str, str]:
    """The zero-shot split, and a note if the weights do not determine it."""
    vocabulary = load_vocabulary(dataset)
    fitting = [s for s in _SPLITS if s in vocabulary.splits and len(vocabulary.seen(s)) == len(rows)]
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
    return rename(name, _REVERSED) or name


def official_to_genvlkt(checkpoint: Mapping[str, Any]) -> tuple[dict[str, Any], Recognised, tuple[str, ...]]:
    """Converts a checkpoint of the authors to one of this project.

    Args:
        checkpoint (Mapping): Content of the authors' file: ``model`` and, after training, ``args``, ``epoch`` and the
            state of the optimiser. The latter is not converted.

    Returns:
        tuple: Content of a checkpoint for this project (``state_dict``, ``meta``), its config, and names of weights that
        are not used.

    Raises:
        ValueError: If it is not a checkpoint of GEN-VLKT.
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
        and names of weights that are not used.

    Raises:
        ValueError: If it is not a GEN-VLKT.
    """
    weights = weights_of(checkpoint)
    official, unknown = revert_official(weights)
    if 'visual_projection.weight' not in official:
        raise ValueError('The checkpoint is no GEN-VLKT: it has no text classifier for HOIs ("hoi_classifier.fc").')
    origin = (checkpoint.get('meta') or {}).get('official', {}) if 'state_dict' in checkpoint else {}
    return dict(model=official) if origin.get('nested', True) else official, unknown


def _plain(value: Any) -> Any:
    return value if isinstance(value, (bool, int, float, str, type(None))) else str(value)
