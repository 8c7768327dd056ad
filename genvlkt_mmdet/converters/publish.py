"""Makes a small file from a training checkpoint."""

import io
from collections.abc import Sequence
from pathlib import Path

import torch

from ..files import write_file
from .files import load_checkpoint


def publish_checkpoint(source: str | Path, target: str | Path, half: bool = True, drop: Sequence[str] = ()) -> int:
    """Writes only the weights of a checkpoint to a file.

    Args:
        source (str | Path): Checkpoint of a training.
        target (str | Path): File to write. It can be loaded with ``weights_only=True``.
        half (bool): Whether to store floats in half precision. Loading converts them back.
        drop (Sequence[str]): Name prefixes of weights to leave out.

    Returns:
        int: Size of the file in bytes.

    Raises:
        FileNotFoundError: If there is no such checkpoint.
        ValueError: If it has no weights.
    """
    checkpoint = load_checkpoint(str(source))
    state = checkpoint.get('state_dict') if isinstance(checkpoint, dict) else None
    if not state:
        raise ValueError(f"'{source}' holds no 'state_dict': give a checkpoint that a training wrote.")
    kept = {
        name: value.half() if half and value.is_floating_point() else value.clone()
        for name, value in state.items()
        if not name.startswith(tuple(drop))
    }
    content = io.BytesIO()
    torch.save(dict(state_dict=kept), content)
    write_file(target, content.getvalue())
    return content.getbuffer().nbytes
