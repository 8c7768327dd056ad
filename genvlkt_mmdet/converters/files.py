"""Checkpoint files: written in one step, read safely and checked for damage, whoever asks for them.

mmengine's :class:`CheckpointLoader` reads all checkpoints of the Runner: ``load_from``, resuming, tests, pre-trained parts. This
module makes its loaders safe, with its own ``register_scheme``.
"""

import functools
import io
import os
import pickle
import re
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from mmengine.runner import CheckpointLoader, load_state_dict
from mmengine.runner.checkpoint import get_torchvision_models
from torch import Tensor, nn

from ..assets import restore_floats
from ..compat import checkpoint_globals
from ..files import write_file
from ..vocabulary.hoi_vocabulary import restore_vocabulary
from .names import current_name

# Not those of quantised or compressed weights, which torch would copy into a model without their scale.
_PLAIN = (torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.bool, torch.int32, torch.int64)


class CheckpointError(ValueError):
    """A checkpoint that cannot be used. The message is one sentence for the user."""


def is_intact(path: str | Path) -> bool:
    """Whether a file is a complete, undamaged checkpoint of torch.

    torch writes zip archives. Their directory is at the end, so a truncated file has none. They contain a checksum of every
    part, which torch itself does not check. Parts are never compressed.

    Args:
        path (str | Path): The file.

    Returns:
        bool: False also for any other kind of file.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            stored = all(part.compress_type == zipfile.ZIP_STORED for part in archive.infolist())
            return stored and archive.testzip() is None
    except (OSError, ValueError, RuntimeError, EOFError, zipfile.BadZipFile):
        return False


@contextmanager
def allow_checkpoint_classes() -> Iterator[None]:
    """Lets torch's safe loading read what the checkpoints of a training hold. What the user allowed stays allowed."""
    known = torch.serialization.get_safe_globals()
    needed = [*checkpoint_globals(), restore_vocabulary]
    # Leaves out those that the user allowed, because the context would remove them at its end.
    with torch.serialization.safe_globals([entry for entry in needed if entry not in known]):
        yield


@contextmanager
def _safely(name: str) -> Iterator[None]:
    """Allows the classes of checkpoints while a file is read, and turns errors into one sentence."""
    try:
        with allow_checkpoint_classes():
            yield
    except (CheckpointError, FileNotFoundError, torch.OutOfMemoryError, MemoryError):
        raise
    except (OSError, ImportError) as error:  # also without network, or without the package for a kind of storage
        reason = getattr(error, 'reason', error)  # of an address
        reason = getattr(reason, 'strerror', None) or ' '.join(str(reason).split()).rstrip('.')
        raise CheckpointError(f"'{name}' cannot be read: {reason}.") from error
    # For a damaged or malicious file, the unpickler can raise almost anything.
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


def _as_data(checkpoint: Any) -> Any:
    """A loaded checkpoint without ``meta['config']``, a key of mmcv 1 that mmengine runs as Python when it resumes.

    mmengine only looks there for the number of GPUs, and no version of it writes that key. Weights of 8 bits become floats.
    """
    meta = checkpoint.get('meta') if isinstance(checkpoint, Mapping) else None
    if isinstance(meta, dict):
        meta.pop('config', None)
    if isinstance(checkpoint, dict):
        restore_floats(checkpoint)
    return checkpoint


@CheckpointLoader.register_scheme(prefixes='', force=True)
def load_from_local(filename: str, map_location: Any = None) -> Any:
    """Replaces mmengine's loader of local files, see :func:`load_checkpoint`."""
    path = Path(filename).expanduser()
    if not path.is_file():
        if '://' in filename:
            raise CheckpointError(
                f"mmengine has no loader for the address '{filename}': download it, and give the file."
            )
        raise FileNotFoundError(f"The checkpoint '{filename}' does not exist: give the path of an existing file.")
    with _safely(filename):
        if zipfile.is_zipfile(path) and not is_intact(path):
            raise zipfile.BadZipFile(filename)
        return _as_data(torch.load(path, map_location=map_location, weights_only=True))


@contextmanager
def _weights_only() -> Iterator[None]:
    """Makes every call of ``torch.load`` safe, whatever it is called with."""
    names = ('TORCH_FORCE_WEIGHTS_ONLY_LOAD', 'TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD')  # torch accepts only one of them
    before = {name: os.environ.pop(name) for name in names if name in os.environ}
    os.environ[names[0]] = '1'
    try:
        yield
    finally:
        del os.environ[names[0]]
        os.environ.update(before)


def _made_safe(loader: Callable[..., Any]) -> Callable[..., Any]:
    """A loader of mmengine that runs no code from the file, and whose errors are one sentence."""

    @functools.wraps(loader)
    def load(filename: str, map_location: Any = None) -> Any:
        with _safely(filename), _weights_only():
            try:
                return _as_data(loader(filename, map_location))
            except KeyError as error:
                if error.args and filename.endswith(f'://{error.args[0]}'):
                    raise CheckpointError(f"No weights are published as '{filename}': check the name.") from error
                raise

    return load


for _prefix, _loader in list(CheckpointLoader._schemes.items()):
    if _loader.__module__ == CheckpointLoader.__module__:
        CheckpointLoader.register_scheme(_prefix, _made_safe(_loader), force=True)


@CheckpointLoader.register_scheme(prefixes=('torchvision://', 'modelzoo://'), force=True)
def load_from_torchvision(filename: str, map_location: Any = None) -> Any:
    """Replaces mmengine's loader of weights that torchvision publishes: the message says where a file may be brought."""
    name = filename.split('://', 1)[1]
    address = get_torchvision_models().get(name)
    if address is None:
        raise CheckpointError(f"torchvision publishes no weights for '{name}': check the name in '{filename}'.")
    try:
        return CheckpointLoader.load_checkpoint(address, map_location, logger='silent')
    except CheckpointError as error:
        file = Path(torch.hub.get_dir(), 'checkpoints', Path(address).name)
        raise CheckpointError(
            f"The weights '{filename}' cannot be loaded: bring {address} to {file}. ({error})"
        ) from error


def load_checkpoint(path: str) -> Mapping[str, Any]:
    """Loads a checkpoint on the CPU without running code from it.

    Args:
        path (str): File, or any address that mmengine can load.

    Returns:
        Mapping: Its content.

    Raises:
        FileNotFoundError: If the file does not exist.
        CheckpointError: If it is damaged, not a checkpoint, or contains objects that safe loading refuses.
    """
    with _safely(path):
        checkpoint = CheckpointLoader.load_checkpoint(path, map_location='cpu', logger='silent')
    if not isinstance(checkpoint, Mapping):
        raise CheckpointError(
            f"'{path}' holds a {type(checkpoint).__name__}, not a checkpoint: a dict of weights is expected."
        )
    return checkpoint


def save_checkpoint(path: str | Path, checkpoint: Mapping[str, Any] | Tensor) -> int:
    """Writes a checkpoint file in one step, see :func:`~genvlkt_mmdet.files.new_file`.

    Args:
        path (str | Path): The file.
        checkpoint (Mapping | Tensor): Its content.

    Returns:
        int: Size of the file in bytes.

    Raises:
        OSError: If the file cannot be written.
    """
    # Not into the file itself: torch's writer turns a full disk into an error that does not say so.
    content = io.BytesIO()
    torch.save(checkpoint, content)
    write_file(path, content.getvalue())
    return content.getbuffer().nbytes


def weights_of(checkpoint: Mapping[str, Any], name: str = 'The checkpoint') -> dict[str, Tensor]:
    """Returns the weights of a checkpoint of facebookresearch (``model``) or mmengine (``state_dict``).

    Args:
        checkpoint (Mapping): Content of a checkpoint file. It can also be a state dict.
        name (str): Name of the checkpoint for messages.

    Returns:
        dict[str, Tensor]: The state dict, without the prefix ``module.`` of a distributed wrapper, and with the names of this
        version, see :func:`current_name`.

    Raises:
        CheckpointError: If there are no weights, or weights that are no plain numbers, not finite, or there twice.
    """
    weights = next((checkpoint[key] for key in ('state_dict', 'model') if key in checkpoint), checkpoint)
    if not isinstance(weights, Mapping) or not weights or not all(isinstance(v, Tensor) for v in weights.values()):
        raise CheckpointError(f'{name} holds no weights: neither "model" nor "state_dict" is a dict of tensors.')
    for key, value in weights.items():
        if value.dtype not in _PLAIN or value.layout is not torch.strided or value.is_nested or value.is_meta:
            kind = f'{value.layout} {value.dtype} {value.device}'.replace('torch.', '')
            raise CheckpointError(
                f"{name} holds '{key}' as {kind}, but weights must be plain numbers: where the file was made, convert it with "
                '.to_dense().float() or .dequantize(), and save it again.'
            )
    broken = [key for key, value in weights.items() if value.is_floating_point() and not value.isfinite().all()]
    if broken:
        raise CheckpointError(
            f'{name} holds NaN or infinity in {len(broken)} of {len(weights)} weights, e.g. {broken[0]}: its training has '
            'diverged, or the file is damaged; take another one.'
        )
    found = {current_name(str(key).removeprefix('module.')): value for key, value in weights.items()}
    if len(found) < len(weights):
        raise CheckpointError(
            f'{name} holds the same weight under two names, such as with and without "module.": remove one.'
        )
    return found


def same_kind(one: Tensor, other: Tensor) -> bool:
    """Whether two weights have the same shape, and both or neither are whole numbers. A single number can be either."""
    return one.shape == other.shape and (not one.ndim or one.is_floating_point() == other.is_floating_point())


def load_strictly(
    model: nn.Module,
    weights: Mapping[str, Tensor],
    file: str,
    config: str,
    note: str = '',
    name_of: Callable[[str], str] = str,
) -> None:
    """Loads weights that must match a model exactly. mmengine only warns, and leaves random weights in the rest.

    Args:
        model (nn.Module): The model.
        weights (Mapping): State dict, see :func:`weights_of`.
        file (str): Name of the checkpoint, for the message.
        config (str): Name of the config, for the message.
        note (str): Text to add to the message. Default: none.
        name_of (Callable): Turns the name of a weight into the one that the message shows. Default: the name itself.

    Raises:
        CheckpointError: If a weight is missing, unknown or of another shape.
    """
    own = model.state_dict()
    try:
        load_state_dict(model, weights, strict=True)
        if not all(same_kind(weights[key], value) for key, value in own.items() if key in weights):
            raise RuntimeError
    except RuntimeError as error:
        missing = [name_of(key) for key in own if key not in weights and not key.endswith('num_batches_tracked')]
        unknown = [name_of(key) for key in weights if key not in own]
        reshaped = [
            f'{name_of(key)} is {"x".join(map(str, weights[key].shape)) or "one number"} '
            f'instead of {"x".join(map(str, own[key].shape)) or "one number"}'
            for key in own
            if key in weights and weights[key].shape != own[key].shape
        ]
        kinds = [
            f'{name_of(key)} is {weights[key].dtype} instead of {own[key].dtype}'.replace('torch.', '')
            for key in own
            if key in weights and weights[key].shape == own[key].shape and not same_kind(weights[key], own[key])
        ]
        found = (('of another shape', reshaped), ('of another type', kinds), ('missing', missing), ('unknown', unknown))
        parts = [f'{len(keys)} {kind} ({_some(keys)})' for kind, keys in found if keys]
        problem = f'of its weights are {", ".join(parts)}' if parts else ' '.join(str(error).split())
        raise CheckpointError(f'The checkpoint {file} does not fit the config {config}: {problem}{note}.') from error


def _some(keys: list[str], limit: int = 3) -> str:
    return ', '.join(keys[:limit]) + (f' and {len(keys) - limit} more' if len(keys) > limit else '')
