"""Checkpoint files: written atomically, found again after a kill, checked against the model that is to take them."""

import glob
import re
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from mmengine.fileio import LocalBackend, register_backend
from mmengine.runner import load_state_dict
from torch import Tensor, nn

from ..files import write_file


class CheckpointError(ValueError):
    """A checkpoint that cannot be used here; the message is one sentence for the user."""


class AtomicLocalBackend(LocalBackend):
    """Local files that are complete or absent: written beside their name and moved there when they are on the disk.

    Attributes:
        name (str): The backend's name for ``backend_args=dict(backend=...)``.
    """

    name = 'atomic_local'

    def __init__(self) -> None:
        self._held: dict[str, None] | None = None

    def put(self, obj: bytes, filepath: str | Path) -> None:
        """Writes a file under its name in one step.

        Args:
            obj (bytes): The content.
            filepath (str | Path): The file; missing folders are made.
        """
        path = Path(filepath)
        for left in path.parent.glob(f'{glob.escape(path.name)}.*.part'):
            left.unlink(missing_ok=True)  # of a run that was killed while it wrote
        write_file(path, obj)

    def remove(self, filepath: str | Path) -> None:
        """Removes a file, inside :meth:`removals_last` only at its end.

        Args:
            filepath (str | Path): The file.
        """
        if self._held is None:
            super().remove(filepath)
        else:
            self._held[str(filepath)] = None

    @contextmanager
    def removals_last(self) -> Iterator[None]:
        """Holds back every removal until the block has ended without an error; blocks may be nested."""
        if self._held is not None:
            yield
            return
        self._held = {}
        try:
            yield
            held = self._held
        finally:
            self._held = None
        for path in held:
            super().remove(path)


register_backend(AtomicLocalBackend.name, AtomicLocalBackend, force=True)


def latest_checkpoint(work_dir: str | Path) -> str | None:
    """Finds what ``--resume`` continues from: the last complete checkpoint of a work folder.

    mmengine writes its name to the file ``last_checkpoint``. Where that file was cut off by a kill, or names a path of before the
    folder was moved, the checkpoints beside it are looked at, the latest first. Files that are not complete are passed over.

    Args:
        work_dir (str | Path): The folder of the training.

    Returns:
        str | None: Path of the checkpoint; None when there is none yet.
    """
    folder = Path(work_dir)
    candidates: list[Path] = []
    pointer = folder / 'last_checkpoint'
    if pointer.is_file() and (written := pointer.read_text().strip()):
        candidates += [Path(written), folder / Path(written).name]
    numbered = [
        (int(m[1]), path) for path in folder.glob('*.pth') if (m := re.fullmatch(r'(?:epoch|iter)_(\d+)', path.stem))
    ]
    candidates += [path for _, path in sorted(numbered, reverse=True)]
    # torch writes zip archives: their directory is at the end, so that a file cut short is not one.
    return next((str(path) for path in candidates if path.is_file() and zipfile.is_zipfile(path)), None)


def _origin(checkpoint: Mapping) -> str:
    """Names the config that a checkpoint was trained with, as a clause for a sentence; empty when it does not say."""
    meta = checkpoint.get('meta') or {}
    name = re.sub(r'_\d{8}_\d{6}$', '', str(meta.get('experiment_name') or ''))
    return f'; it was trained with the config {name}.py' if name else ''


def _some(keys: list[str], limit: int = 3) -> str:
    return ', '.join(keys[:limit]) + (f' and {len(keys) - limit} more' if len(keys) > limit else '')


def check_checkpoint(model: nn.Module, checkpoint: Mapping, file: str, config: str) -> None:
    """Loads a checkpoint's weights into a model and refuses it when they do not fit.

    mmengine only warns, and goes on with the random weights of whatever did not fit.

    Args:
        model (nn.Module): The model, built from the config.
        checkpoint (Mapping): What the file holds; the weights themselves or a dict with ``state_dict`` and ``meta``.
        file (str): The file's name, for the message.
        config (str): The config's name, for the message.

    Raises:
        CheckpointError: If the file holds no weights, or a key is missing, unknown or of another shape.
    """
    weights = checkpoint.get('state_dict', checkpoint) if isinstance(checkpoint, Mapping) else {}
    weights = {key.removeprefix('module.'): value for key, value in weights.items() if isinstance(value, Tensor)}
    if not weights:
        raise CheckpointError(f'{file} holds no model weights: give a checkpoint that training has written.')
    try:
        load_state_dict(model, weights, strict=True)
    except RuntimeError as error:
        own = model.state_dict()
        missing = [key for key in own if key not in weights and not key.endswith('num_batches_tracked')]
        unknown = [key for key in weights if key not in own]
        reshaped = [
            f'{key} is {"x".join(map(str, weights[key].shape))} instead of {"x".join(map(str, own[key].shape))}'
            for key in own
            if key in weights and weights[key].shape != own[key].shape
        ]
        found = (('of another shape', reshaped), ('missing', missing), ('unknown', unknown))
        parts = [f'{len(keys)} {kind} ({_some(keys)})' for kind, keys in found if keys]
        detail = ', '.join(parts) or ' '.join(str(error).split())
        raise CheckpointError(
            f'The checkpoint {file} does not fit the config {config}: of its weights are {detail}{_origin(checkpoint)}.'
        ) from error
