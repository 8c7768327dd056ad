"""Converts checkpoint files: a DETR to a start for GEN-VLKT, and checkpoints of the GEN-VLKT authors' code in both directions."""

from pathlib import Path

from mmdet.registry import MODELS
from mmengine.registry import DefaultScope

from ..converters import (
    DETRTransfer,
    Recognised,
    convert_detr,
    genvlkt_to_official,
    load_checkpoint,
    load_strictly,
    official_name,
    official_to_genvlkt,
    save_checkpoint,
    weights_of,
)
from .configs import read_config


def convert_detr_file(source: str, target: str | Path, config: str) -> DETRTransfer:
    """Writes the weights that a DETR checkpoint provides for a GEN-VLKT model, for ``load_from``.

    Args:
        source (str): DETR checkpoint of facebookresearch or mmdet.
        target (str | Path): Checkpoint to write.
        config (str): Config file of the GEN-VLKT model, or name of a shipped config.

    Returns:
        DETRTransfer: Names of the weights that were taken, left and new.

    Raises:
        FileNotFoundError: If the checkpoint or the config does not exist.
        ValueError: If the checkpoint is damaged, is no DETR or does not fit the model.
    """
    cfg = read_config(config)
    with DefaultScope.overwrite_default_scope('mmdet'):
        model = MODELS.build(cfg.model)
    weights, transfer = convert_detr(weights_of(load_checkpoint(source)), model.state_dict())
    save_checkpoint(dict(meta=dict(), state_dict=weights), target)
    return transfer


def import_official_file(source: str, target: str | Path) -> tuple[Recognised, tuple[str, ...]]:
    """Converts a checkpoint of the authors' code, and checks that it loads into the model of its config.

    Args:
        source (str): Checkpoint of the authors' code.
        target (str | Path): Checkpoint to write.

    Returns:
        tuple[Recognised, tuple[str]]: Config of the model; names of the weights that have no place here.

    Raises:
        FileNotFoundError: If the checkpoint does not exist.
        ValueError: If it is damaged, is no GEN-VLKT, or lacks weights.
    """
    converted, config, unknown = official_to_genvlkt(load_checkpoint(source))
    cfg = read_config(config.config)
    cfg.merge_from_dict(config.options)
    with DefaultScope.overwrite_default_scope('mmdet'):
        model = MODELS.build(cfg.model)
    load_strictly(model, converted['state_dict'], source, config.config, name_of=official_name)
    save_checkpoint(converted, target)
    return config, unknown


def export_official_file(source: str, target: str | Path) -> tuple[str, ...]:
    """Converts a checkpoint of this package to one that the authors' code loads.

    Args:
        source (str): Checkpoint of this package.
        target (str | Path): Checkpoint to write.

    Returns:
        tuple[str]: Names of the weights that have no place there.

    Raises:
        FileNotFoundError: If the checkpoint does not exist.
        ValueError: If it is damaged or is no GEN-VLKT.
    """
    official, unknown = genvlkt_to_official(load_checkpoint(source))
    save_checkpoint(official, target)
    return unknown
