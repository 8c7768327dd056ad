"""Starts GEN-VLKT from a pre-trained DETR (section 4.2), or from one that was pre-trained for interactions (DP-HOI, CVPR 2024).

Files that are recognised by the names of their weights:

- a DETR of facebookresearch: ``transformer.decoder``,
- a DETR of mmdet: ``decoder.layers``,
- the pre-trained model of DP-HOI: ``transformer.decoder`` and ``transformer.interaction_decoder``,
- a start for GEN-VLKT or HOICLIP that the authors' ``convert_parameters.py`` (or that of DP-HOI) has made of one of these:
  ``transformer.instance_decoder``.

Facts about DP-HOI's model, read in its public repository (xingaoli/DP-HOI: ``models/detr.py``, ``models/transformer.py``,
``tools/convert_parameters.py``, ``scripts/pretrain/train.sh``). Its weights could not be had here, so tests use synthetic ones of
these names and shapes:

- It is facebookresearch's DETR (ResNet-50, 6 encoder and 3 decoder layers, 100 queries, 91 + 1 object classes) with a second
  decoder of the same shape, ``transformer.interaction_decoder``. Both decoders share one final norm, which the file has twice.
  The second decoder runs on the detected persons, and learns from actions in videos and from captions.
- ``action_class_fc`` (linear layer of 256 x 512 and layer norm) goes to the space of CLIP. In GEN-VLKT, it is the projection of
  the HOI classifier, ``hoi_class_fc`` in the authors' names.
- For the pre-training alone: ``label_enc_od``, ``bbox_enc_od`` (denoising), ``verb_class_kinetics700``, ``verb_class_haa500``.
- Fine-tuning starts the instance decoder from the first decoder, and the interaction decoder from the second one. Both box MLPs
  start from ``bbox_embed``. The checkpoints after fine-tuning have the names of the fine-tuned model: those of GEN-VLKT and
  HOICLIP are read as the files of their authors (``genvlkt convert official``).
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from mmengine.logging import MMLogger
from torch import Tensor, nn

from .files import CheckpointError, load_checkpoint, weights_of
from .names import BACKBONE_RULES, GEN_VLKT_RULES, mlp_rules, rename, transformer_rules

# Parts of a DETR with facebookresearch's names, and their targets in GEN-VLKT. A DETR has one decoder, one box head and one
# set of queries. Both decoders, both box heads, and the queries of humans and of objects start from them.
_OFFICIAL = (
    (
        *BACKBONE_RULES,
        *transformer_rules('transformer.encoder', 'encoder'),
        ('query_embed.{}', 'bbox_head.instance_embed.{}'),  # VerbGENHead without p-GE
    ),
    (
        *transformer_rules('transformer.decoder', 'bbox_head.instance_decoder'),
        *mlp_rules('bbox_embed', 'bbox_head.human_box_mlp'),
        ('query_embed.{}', 'bbox_head.human_embed.{}'),
    ),
    (
        *transformer_rules('transformer.decoder', 'bbox_head.interaction_decoder'),
        *mlp_rules('bbox_embed', 'bbox_head.object_box_mlp'),
        ('query_embed.{}', 'bbox_head.object_embed.{}'),
    ),
)


def _mmdet_rules(part: str) -> tuple[tuple[str, str], ...]:
    ours = f'bbox_head.{part}_box_mlp'
    return (
        ('query_embedding.{}', f'bbox_head.{part}_embed.{{}}'),
        ('bbox_head.reg_ffn.layers.0.0.{}', f'{ours}.0.{{}}'),
        ('bbox_head.reg_ffn.layers.1.{}', f'{ours}.2.{{}}'),
        ('bbox_head.fc_reg.{}', f'{ours}.4.{{}}'),
    )


_MMDET = (
    (
        ('backbone.{}', 'backbone.{}'),
        ('neck.{}', 'neck.{}'),
        ('encoder.{}', 'encoder.{}'),
        ('query_embedding.{}', 'bbox_head.instance_embed.{}'),  # VerbGENHead without p-GE
    ),
    (('decoder.{}', 'bbox_head.instance_decoder.{}'), *_mmdet_rules('human')),
    (('decoder.{}', 'bbox_head.interaction_decoder.{}'), *_mmdet_rules('object')),
)

# DP-HOI: the second decoder has a target of its own.
_DP_HOI = (
    _OFFICIAL[0],
    _OFFICIAL[1],
    (
        *transformer_rules('transformer.interaction_decoder', 'bbox_head.interaction_decoder'),
        *mlp_rules('bbox_embed', 'bbox_head.object_box_mlp'),
        ('query_embed.{}', 'bbox_head.object_embed.{}'),
        ('action_class_fc.{}', 'bbox_head.hoi_classifier.proj.{}'),
    ),
)

# What the authors' programs make of a DETR. They keep the names of its queries.
_START = (
    (*GEN_VLKT_RULES, ('query_embed.{}', 'bbox_head.human_embed.{}')),
    (('query_embed.{}', 'bbox_head.object_embed.{}'),),
    (('query_embed.{}', 'bbox_head.instance_embed.{}'),),
)


def _recognise(names: Collection[str]) -> tuple[str, tuple]:
    """What a checkpoint is, and its rules, by the names of its weights."""

    def has(prefix: str) -> bool:
        return any(name.startswith(prefix) for name in names)

    if 'visual_projection.weight' in names:
        raise ValueError(
            "The checkpoint is a trained model of the authors' code, not a start for training: `genvlkt convert official` "
            'reads it.'
        )
    if has('transformer.instance_decoder.'):
        return 'start for GEN-VLKT', _START
    if has('transformer.decoder.'):
        return ('DP-HOI', _DP_HOI) if has('transformer.interaction_decoder.') else ('facebookresearch', _OFFICIAL)
    if has('decoder.layers.'):
        return 'mmdet', _MMDET
    raise ValueError('The checkpoint is no DETR: it has neither "transformer.decoder." nor "decoder.layers." keys.')


@dataclass(frozen=True)
class DETRTransfer:
    """Which weights of a DETR checkpoint a model takes.

    Attributes:
        source (str): ``'facebookresearch'``, ``'mmdet'``, ``'DP-HOI'`` or ``'start for GEN-VLKT'``.
        taken (tuple[str]): Names in the checkpoint that were used.
        left (tuple[str]): Names in the checkpoint that have no place in the model.
        new (tuple[str]): Names of the model that the checkpoint does not fill.
    """

    source: str
    taken: tuple[str, ...]
    left: tuple[str, ...]
    new: tuple[str, ...]

    def lists(self) -> str:
        """Lists all names, one per line."""
        return '\n'.join(
            f'{title}:\n' + '\n'.join(f'  {name}' for name in names or ('none',))
            for title, names in (('Taken', self.taken), ('Left', self.left), ('New', self.new))
        )

    def __str__(self) -> str:
        return (
            f'{len(self.taken)} tensors taken from the DETR ({self.source}), {len(self.left)} left '
            f'({_parts(self.left)}), {len(self.new)} new ({_parts(self.new)}).'
        )


def _parts(names: tuple[str, ...]) -> str:
    # 'bbox_head.hoi_classifier.fc.weight' -> 'bbox_head.hoi_classifier': parts instead of tensors.
    return ', '.join(sorted({'.'.join(n.split('.')[:2]) for n in names})) or 'none'


def convert_detr(detr: Mapping[str, Tensor], model: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], DETRTransfer]:
    """Renames the weights of a DETR for GEN-VLKT.

    Not used are decoder layers and queries beyond those of the model, the object classifier, and the queries of a DETR with
    fewer queries than the model.

    Args:
        detr (Mapping): State dict of one of the models above.
        model (Mapping): State dict of the GEN-VLKT model to fill.

    Returns:
        tuple[dict[str, Tensor], DETRTransfer]: The part of the model's state dict that the DETR fills; the names
        that were taken, left and new.

    Raises:
        ValueError: If the checkpoint is none of these, or a tensor does not have the shape of the model's.
    """
    source, groups = _recognise(detr)
    converted, taken = {}, []
    for name, value in detr.items():
        targets = [target for rules in groups if (target := rename(name, rules)) in model]
        if targets and name.startswith('query_embed'):
            queries = len(model[targets[0]])
            if len(value) < queries:  # too few: the queries of the model stay random
                continue
            value = value[:queries]
        # Another CLIP model has another width: the projection to it stays as it is.
        if name.startswith(('action_class_fc', 'hoi_class_fc')) and any(model[t].shape != value.shape for t in targets):
            continue
        for target in targets:
            if model[target].shape != value.shape:
                raise ValueError(
                    f'"{name}" of the DETR checkpoint has shape {tuple(value.shape)}, but "{target}" of the model has '
                    f'{tuple(model[target].shape)}: the checkpoint belongs to another architecture.'
                )
            converted[target] = value
        if targets:
            taken.append(name)
    used = set(taken)
    left = tuple(name for name in detr if name not in used)
    new = tuple(name for name in model if name not in converted and not name.endswith('num_batches_tracked'))
    return converted, DETRTransfer(source, tuple(taken), left, new)


def read_detr(model: nn.Module, path: str) -> tuple[dict[str, Tensor], DETRTransfer]:
    """Reads a DETR checkpoint for a GEN-VLKT model, which stays as it is.

    Args:
        model (nn.Module): A :class:`GENVLKT`.
        path (str): Checkpoint file, or any address that mmengine can load.

    Returns:
        tuple[dict[str, Tensor], DETRTransfer]: The part of the model's state dict that the DETR fills; the names
        that are taken, left and new.

    Raises:
        FileNotFoundError: If the file does not exist.
        CheckpointError: If it is damaged, or contains objects that safe loading refuses.
        ValueError: If it does not fit.
    """
    if '://' not in path and not Path(path).is_file():
        raise FileNotFoundError(
            f"The pre-trained DETR '{path}' is missing: bring that file (docs/train.md says which one), or start without "
            'it by model.pretrained_detr=None.'
        )
    try:
        return convert_detr(weights_of(load_checkpoint(path), f"'{path}'"), model.state_dict())
    except CheckpointError:
        raise
    except ValueError as error:
        raise ValueError(f"The pre-trained DETR '{path}' does not fit: {error}") from error


def load_detr(model: nn.Module, path: str) -> DETRTransfer:
    """Loads a DETR checkpoint into a GEN-VLKT model, and logs which weights were taken.

    Args:
        model (nn.Module): A :class:`GENVLKT`.
        path (str): As in :func:`read_detr`, which raises the errors.

    Returns:
        DETRTransfer: Names of the weights that were taken, left and new.
    """
    converted, transfer = read_detr(model, path)
    model.load_state_dict(converted, strict=False)
    MMLogger.get_current_instance().info(f'{path}: {transfer}')
    return transfer
