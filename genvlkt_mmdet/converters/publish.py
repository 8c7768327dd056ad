"""Turns a training checkpoint into a small file to share."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..assets import store_in_8_bits
from .files import load_checkpoint, save_checkpoint, weights_of

_META = ('dataset_meta', 'cfg_json')
# Weights that only a training uses
_TRAINING_ONLY = ('bbox_head.denoising.',)


def publish_checkpoint(
    source: str | Path, target: str | Path, half: bool = True, drop: Sequence[str] = (), to_ship: bool = False
) -> int:
    """Writes a checkpoint with the weights alone, and the config and the classes that an inferencer reads.

    Weights that only a training uses are left out (:class:`PairDenoising`).

    Args:
        source (str | Path): Checkpoint of a training.
        target (str | Path): File to write; it loads with ``weights_only=True``.
        half (bool): Store floats in half precision, if it can hold them; loading converts them back. Default: True.
        drop (Sequence[str]): Prefixes of the names of weights to leave out. Default: none.
        to_ship (bool): Store matrices in 8 bits, for a file that ships with the package. Only its own address,
            ``genvlkt://<name>``, loads it (see :func:`~genvlkt_mmdet.assets.store_in_8_bits`). Default: False.

    Returns:
        int: Size of the file in bytes.

    Raises:
        FileNotFoundError: If there is no such checkpoint.
        ValueError: If it holds no weights, or some that are not finite.
    """
    full = load_checkpoint(str(source))
    kept = {
        name: value.half() if half and value.is_floating_point() and value.half().isfinite().all() else value.clone()
        for name, value in weights_of(full, f"'{source}'").items()
        if not name.startswith((*_TRAINING_ONLY, *drop))
    }
    checkpoint: dict[str, Any] = dict(state_dict=kept)
    meta = full.get('meta') if isinstance(full, Mapping) else None
    if isinstance(meta, Mapping) and (meta := {name: meta[name] for name in _META if name in meta}):
        checkpoint['meta'] = meta
    if to_ship:
        store_in_8_bits(checkpoint)
    return save_checkpoint(target, checkpoint)
