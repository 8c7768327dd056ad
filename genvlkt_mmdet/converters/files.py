"""Checkpoint files: read safely and checked for damage, whoever asks for them.

mmengine's :class:`CheckpointLoader` reads every checkpoint of the Runner: ``load_from``, resuming, tests, pre-trained parts. The
loaders for local files and for addresses are replaced here through its own register, so that all of them go the same way.
"""

import pickle
import re
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from mmengine.runner import CheckpointLoader
from mmengine.runner.checkpoint import get_torchvision_models
from torch import Tensor

from ..compat import checkpoint_globals
from ..vocabulary.hoi_vocabulary import restore_vocabulary


class CheckpointError(ValueError):
    """A checkpoint that cannot be used here; the message is one sentence for the user."""


def is_intact(path: str | Path) -> bool:
    """Whether a file is a complete checkpoint of torch without a damaged byte.

    torch writes zip archives. Their directory is at the end, so that a file cut short has none, and they hold a checksum of every
    part, which torch itself does not look at. Parts are never compressed.

    Args:
        path (str | Path): The file.

    Returns:
        bool: False for a file of any other kind, too.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            stored = all(part.compress_type == zipfile.ZIP_STORED for part in archive.infolist())
            return stored and archive.testzip() is None
    except (OSError, ValueError, RuntimeError, EOFError, zipfile.BadZipFile):
        return False


@contextmanager
def _safely(name: str) -> Iterator[None]:
    """Allows what mmengine's checkpoints hold while a file is read, and turns what goes wrong into one sentence."""
    known = torch.serialization.get_safe_globals()
    try:
        # Those that the user allowed are left out: the context would take them away at its end.
        needed = [*checkpoint_globals(), restore_vocabulary]
        with torch.serialization.safe_globals([entry for entry in needed if entry not in known]):
            yield
    except (CheckpointError, FileNotFoundError, torch.OutOfMemoryError, MemoryError):
        raise
    except OSError as error:
        raise CheckpointError(f"'{name}' cannot be read: {error.strerror or error}.") from error
    # A damaged or hostile file can make the unpickler raise almost anything.
    except Exception as error:
        refused = re.search(r'GLOBAL ([\w.]+)', str(error)) if isinstance(error, pickle.UnpicklingError) else None
        if refused:
            raise CheckpointError(
                f"'{name}' holds an object of {refused[1]}, which safe loading refuses: where the file was made, save the "
                'weights alone, torch.save(dict(model=model.state_dict()), path).'
            ) from error
        raise CheckpointError(
            f"'{name}' is no checkpoint of torch, or is damaged: download or copy it again."
        ) from error


@CheckpointLoader.register_scheme(prefixes='', force=True)
def load_from_local(filename: str, map_location: Any = None) -> Any:
    """Loads a local checkpoint without running code from it; takes the place of mmengine's loader of this name.

    Args:
        filename (str): The file.
        map_location (Any, optional): As for :func:`torch.load`.

    Returns:
        Any: Its content.

    Raises:
        FileNotFoundError: If the file does not exist.
        CheckpointError: If it is damaged, no checkpoint, or holds objects that safe loading refuses.
    """
    path = Path(filename).expanduser()
    if not path.is_file():
        raise FileNotFoundError(f"The checkpoint '{filename}' does not exist: give the path of an existing file.")
    with _safely(filename):
        if zipfile.is_zipfile(path) and not is_intact(path):
            raise CheckpointError(f"'{filename}' is no checkpoint of torch, or is damaged: download or copy it again.")
        return torch.load(path, map_location=map_location, weights_only=True)


@CheckpointLoader.register_scheme(prefixes=('http://', 'https://'), force=True)
def load_from_http(filename: str, map_location: Any = None) -> Any:
    """Loads a checkpoint from an address without running code from it; mmengine's loader of this name would run it.

    Args:
        filename (str): The address. The file is kept in torch's folder for downloads.
        map_location (Any, optional): As for :func:`torch.load`.

    Returns:
        Any: Its content.

    Raises:
        CheckpointError: If it cannot be downloaded, is no checkpoint, or holds objects that safe loading refuses.
    """
    with _safely(filename):
        return torch.hub.load_state_dict_from_url(filename, map_location=map_location, weights_only=True)


@CheckpointLoader.register_scheme(prefixes=('torchvision://', 'modelzoo://'), force=True)
def load_from_torchvision(filename: str, map_location: Any = None) -> Any:
    """Loads weights that torchvision publishes, e.g. ``'torchvision://resnet50'``; see :func:`load_from_http`.

    Args:
        filename (str): ``'torchvision://<name of the model>'``.
        map_location (Any, optional): As for :func:`torch.load`.

    Returns:
        Any: The state dict.

    Raises:
        CheckpointError: If torchvision has no such weights, or they are not here and cannot be downloaded.
    """
    name = filename.split('://', 1)[1]
    addresses = get_torchvision_models()
    if name not in addresses:
        raise CheckpointError(f"torchvision publishes no weights for '{name}': check the name in '{filename}'.")
    try:
        return load_from_http(addresses[name], map_location)
    except CheckpointError as error:
        file = Path(torch.hub.get_dir(), 'checkpoints', Path(addresses[name]).name)
        raise CheckpointError(
            f"The weights '{filename}' cannot be loaded: bring {addresses[name]} to {file}. ({error})"
        ) from error


def load_checkpoint(path: str) -> Mapping[str, Any]:
    """Loads a checkpoint on the CPU without running code from it.

    Args:
        path (str): File, or any address that mmengine can load.

    Returns:
        Mapping: Its content.

    Raises:
        FileNotFoundError: If the file does not exist.
        CheckpointError: If it is damaged, no checkpoint, or holds objects that safe loading refuses.
    """
    with _safely(path):
        checkpoint = CheckpointLoader.load_checkpoint(path, map_location='cpu', logger='silent')
    if not isinstance(checkpoint, Mapping):
        raise CheckpointError(
            f"'{path}' holds a {type(checkpoint).__name__}, not a checkpoint: a dict of weights is expected."
        )
    return checkpoint


def weights_of(checkpoint: Mapping[str, Any], name: str = 'The checkpoint') -> dict[str, Tensor]:
    """The weights inside a checkpoint of facebookresearch (``model``) or mmengine (``state_dict``).

    Args:
        checkpoint (Mapping): Content of a checkpoint file; one that is a state dict itself is given back.
        name (str): What to call it in a message.

    Returns:
        dict[str, Tensor]: The state dict, without the ``module.`` that a distributed wrapper puts before its names.

    Raises:
        CheckpointError: If there are no weights, or some are not finite.
    """
    weights = next((checkpoint[key] for key in ('state_dict', 'model') if key in checkpoint), checkpoint)
    if not isinstance(weights, Mapping) or not weights or not all(isinstance(v, Tensor) for v in weights.values()):
        raise CheckpointError(f'{name} holds no weights: neither "model" nor "state_dict" is a dict of tensors.')
    broken = [key for key, value in weights.items() if value.is_floating_point() and not value.isfinite().all()]
    if broken:
        raise CheckpointError(
            f'{name} holds NaN or infinity in {len(broken)} of {len(weights)} weights, e.g. {broken[0]}: its training has '
            'diverged, or the file is damaged; take another one.'
        )
    return {str(key).removeprefix('module.'): value for key, value in weights.items()}
