"""Converts checkpoint files: a DETR to a start for training, and checkpoints of the authors' code in both directions."""

from pathlib import Path

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
from ..engine import build_model
from ..files import names_file
from .configs import read_config


def convert_detr_file(source: str, target: str | Path, config: str) -> DETRTransfer:
    """Writes the weights that a DETR checkpoint provides for a GEN-VLKT model, for ``load_from``.

    Args:
        source (str): DETR checkpoint of facebookresearch, of mmdet or of DP-HOI.
        target (str | Path): Checkpoint to write.
        config (str): Config file of the GEN-VLKT model, or name of a shipped config.

    Returns:
        DETRTransfer: Names of the weights that were taken, left and new.

    Raises:
        FileNotFoundError: If the checkpoint or the config does not exist.
        ValueError: If the checkpoint is damaged, is no DETR or does not fit the model.
    """
    cfg = read_config(config)
    with names_file(source, 'give a checkpoint of a DETR'):
        detr = weights_of(load_checkpoint(source))
    state = build_model(cfg).state_dict()
    with names_file(source, 'give a checkpoint of a DETR that fits the config'):
        weights, transfer = convert_detr(detr, state)
    save_checkpoint(target, dict(meta=dict(), state_dict=weights))
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
    with names_file(source, "give a checkpoint of the authors' code"):
        converted, config, unknown = official_to_genvlkt(load_checkpoint(source))
    cfg = read_config(Path(config.config).stem)
    cfg.merge_from_dict(config.options)
    load_strictly(build_model(cfg), converted['state_dict'], source, config.config, name_of=official_name)
    save_checkpoint(target, converted)
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
    with names_file(source, 'give a checkpoint of this package'):
        official, unknown = genvlkt_to_official(load_checkpoint(source))
    save_checkpoint(target, official)
    return unknown
