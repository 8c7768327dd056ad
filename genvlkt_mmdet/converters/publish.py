"""From a training checkpoint to a file small enough to ship."""

from collections.abc import Sequence
from pathlib import Path

from .files import load_checkpoint, save_checkpoint, weights_of


def publish_checkpoint(source: str | Path, target: str | Path, half: bool = True, drop: Sequence[str] = ()) -> int:
    """Keeps the weights of a checkpoint and nothing else.

    Args:
        source (str | Path): Checkpoint of a training.
        target (str | Path): File to write; it loads with ``weights_only=True``.
        half (bool): Whether to store floats in half precision; loading turns them back.
        drop (Sequence[str]): Beginnings of the names of weights to leave out.

    Returns:
        int: Size of the file in bytes.

    Raises:
        FileNotFoundError: If there is no such checkpoint.
        ValueError: If it holds no weights, or some are not finite.
    """
    checkpoint = load_checkpoint(str(source))
    if not checkpoint.get('state_dict'):
        raise ValueError(f"'{source}' holds no 'state_dict': give a checkpoint that a training wrote.")
    kept = {
        name: value.half() if half and value.is_floating_point() else value.clone()
        for name, value in weights_of(checkpoint, f"'{source}'").items()
        if not name.startswith(tuple(drop))
    }
    return save_checkpoint(target, dict(state_dict=kept))
