"""Starts GEN-VLKT from a pre-trained DETR (section 4.2)."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mmengine.logging import MMLogger
from torch import Tensor, nn

from .files import CheckpointError, load_checkpoint, weights_of
from .names import BACKBONE_RULES, mlp_rules, rename, transformer_rules

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


@dataclass(frozen=True)
class DETRTransfer:
    """Which weights of a DETR checkpoint a model takes.

    Attributes:
        source (str): ``'facebookresearch'`` or ``'mmdet'``.
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
            f'{len(self.taken)} tensors taken from the {self.source} DETR, {len(self.left)} left '
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
        detr (Mapping): State dict of facebookresearch's DETR or of mmdet's.
        model (Mapping): State dict of the GEN-VLKT model to fill.

    Returns:
        tuple[dict[str, Tensor], DETRTransfer]: The part of the model's state dict that the DETR fills; the names
        that were taken, left and new.

    Raises:
        ValueError: If the checkpoint is not a DETR, or a tensor does not have the shape of the model's.
    """
    if any(name.startswith('transformer.decoder.') for name in detr):
        source, groups = 'facebookresearch', _OFFICIAL
    elif any(name.startswith('decoder.layers.') for name in detr):
        source, groups = 'mmdet', _MMDET
    else:
        raise ValueError('The checkpoint is no DETR: it has neither "transformer.decoder." nor "decoder.layers." keys.')
    converted, taken = {}, []
    for name, value in detr.items():
        targets = [target for rules in groups if (target := rename(name, rules)) in model]
        if targets and name.startswith('query_embed'):
            queries = len(model[targets[0]])
            if len(value) < queries:  # too few: the queries of the model stay random
                continue
            value = value[:queries]
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
