"""Small files that ship with the package, and the address ``genvlkt://<name>`` under which configs name them."""

from pathlib import Path
from typing import Any

import torch
from mmengine.runner.checkpoint import CheckpointLoader

SCHEME = 'genvlkt://'
_FOLDER = Path(__file__).parent


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
    return torch.load(asset_path(filename), map_location=map_location, weights_only=True)


__all__ = ['SCHEME', 'asset_path', 'load_shipped_checkpoint']
