"""Small files that ship with the package, and the address ``genvlkt://<name>`` under which configs name them."""

from pathlib import Path
from typing import Any

import torch
from mmengine.runner.checkpoint import CheckpointLoader

SCHEME = 'genvlkt://'
_FOLDER = Path(__file__).parent
_SCALES = 'scales_of_8_bits'


def asset_path(name: str) -> Path:
    """Path of a file or folder that ships with the package.

    Args:
        name (str): Its name, with or without ``genvlkt://``, e.g. ``'genvlkt://tiny_clip'``.

    Raises:
        FileNotFoundError: If the package has no such file. The message lists the shipped ones.
    """
    name = name.removeprefix(SCHEME)
    shipped = sorted(p.name for p in _FOLDER.iterdir() if not p.name.startswith('_'))
    if name not in shipped:
        raise FileNotFoundError(f"The package ships no '{name}'; it ships: {', '.join(shipped) or 'nothing'}.")
    return _FOLDER / name


@CheckpointLoader.register_scheme(prefixes=SCHEME)
def load_shipped_checkpoint(filename: str, map_location: Any = None) -> dict[str, Any]:
    """Loads a shipped checkpoint, e.g. for ``load_from = 'genvlkt://detr_tiny_minihoi.pth'`` in a config.

    Args:
        filename (str): ``'genvlkt://<name>'``, see :func:`asset_path`.
        map_location (Any, optional): As in :func:`torch.load`.
    """
    checkpoint = torch.load(asset_path(filename), map_location=map_location, weights_only=True)
    restore_floats(checkpoint)
    return checkpoint


def store_in_8_bits(checkpoint: dict[str, Any]) -> None:
    """Makes the matrices and convolutions of a checkpoint smaller, in place: a number of 8 bits for each weight.

    Each row (weights of one output) has a scale of its own. A weight changes by at most 0.4 % of the largest of its row.
    :func:`restore_floats` makes floats of them again.

    Args:
        checkpoint (dict): With a ``state_dict``.
    """
    state, scales = checkpoint['state_dict'], {}
    for name, value in state.items():
        if value.is_floating_point() and value.dim() > 1:
            value = value.float()
            scale = value.flatten(1).abs().amax(1).div(127).clamp(min=1e-12).view(-1, *[1] * (value.dim() - 1))
            state[name], scales[name] = (value / scale).round().to(torch.int8), scale
    checkpoint[_SCALES] = scales


def restore_floats(checkpoint: dict[str, Any]) -> None:
    """Undoes :func:`store_in_8_bits`, in place. Any other checkpoint does not change."""
    for name, scale in checkpoint.pop(_SCALES, {}).items():
        checkpoint['state_dict'][name] = checkpoint['state_dict'][name].float() * scale.float()


__all__ = ['SCHEME', 'asset_path', 'load_shipped_checkpoint', 'restore_floats', 'store_in_8_bits']
