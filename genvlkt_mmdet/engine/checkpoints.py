"""Checkpoint files: written atomically, found again after a kill, checked against the model that is to take them."""

import glob
import logging
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mmengine.fileio import LocalBackend, register_backend
from mmengine.logging import print_log
from mmengine.model import is_model_wrapper
from mmengine.runner import load_state_dict
from torch import nn

from ..converters import CheckpointError, is_intact, weights_of
from ..files import write_file
from ..vocabulary import HOIVocabulary, load_vocabulary


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


def latest_checkpoint(work_dir: str | Path, out_dir: str | Path | None = None) -> str | None:
    """Finds what ``--resume`` continues from: the last undamaged checkpoint of a work folder.

    mmengine writes its path to the file ``last_checkpoint``. Only the name counts here: the folder may have been moved or copied.
    Then come the other checkpoints in the folder, the latest first. Files that are not complete or hold damaged bytes are passed
    over with a warning.

    Args:
        work_dir (str | Path): The folder of the training.
        out_dir (str | Path, optional): The ``out_dir`` of the checkpoint hook, where it has one: checkpoints are then below it,
            in a folder of the same name as ``work_dir``.

    Returns:
        str | None: Path of the checkpoint; None when there is none.
    """
    work_dir = Path(work_dir)
    folder = work_dir if out_dir is None else Path(out_dir) / work_dir.resolve().name
    numbered = [
        (int(m[1]), path) for path in folder.glob('*.pth') if (m := re.fullmatch(r'(?:epoch|iter)_(\d+)', path.stem))
    ]
    candidates = [path for _, path in sorted(numbered, reverse=True)]
    pointer = work_dir / 'last_checkpoint'
    if pointer.is_file() and (written := pointer.read_text(errors='replace').strip()):
        named = folder / Path(written).name
        candidates = [named, *(path for path in candidates if path != named)]
    for path in filter(Path.is_file, candidates):
        if is_intact(path):
            return str(path)
        print_log(
            f'The checkpoint {path} is damaged or incomplete: it is passed over.', 'current', level=logging.WARNING
        )
    return None


def checkpoint_meta(checkpoint: Any) -> Mapping[str, Any]:
    """``meta`` of a checkpoint; empty where it has none.

    Args:
        checkpoint (Any): What the file holds.

    Returns:
        Mapping: What mmengine wrote beside the weights.
    """
    meta = checkpoint.get('meta') if isinstance(checkpoint, Mapping) else None
    return meta if isinstance(meta, Mapping) else {}


def _origin(checkpoint: Mapping) -> str:
    """Names the config that a checkpoint was trained with, as a clause for a sentence; empty when it does not say."""
    name = re.sub(r'_\d{8}_\d{6}$', '', str(checkpoint_meta(checkpoint).get('experiment_name') or ''))
    return f'; it was trained with the config {name}.py' if name else ''


def _some(keys: list[str], limit: int = 3) -> str:
    return ', '.join(keys[:limit]) + (f' and {len(keys) - limit} more' if len(keys) > limit else '')


def unwrapped(model: nn.Module) -> nn.Module:
    """The model inside a wrapper for distributed training; a model without wrapper is given back.

    Args:
        model (nn.Module): The model as a Runner holds it.

    Returns:
        nn.Module: The model itself.
    """
    return model.module if is_model_wrapper(model) else model


def load_weights(model: nn.Module, checkpoint: Mapping, file: str, config: str) -> None:
    """Loads a checkpoint's weights into a model and refuses it when they do not fit.

    mmengine only warns, and goes on with the random weights of whatever did not fit.

    Args:
        model (nn.Module): The model, built from the config; it may be wrapped for distributed training.
        checkpoint (Mapping): What the file holds; the weights themselves or a dict with ``state_dict`` and ``meta``.
        file (str): The file's name, for the message.
        config (str): The config's name, for the message.

    Raises:
        CheckpointError: If the file holds no weights or some that are not finite, if a key is missing, unknown or of another
            shape, or if the checkpoint says that its classes are others than the model's.
    """
    model = unwrapped(model)
    if not isinstance(checkpoint, Mapping):
        raise CheckpointError(f'{file} holds no weights: give a checkpoint that training has written.')
    weights = weights_of(checkpoint, file)
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
        problem = f'of its weights are {", ".join(parts)}' if parts else ' '.join(str(error).split())
        raise CheckpointError(
            f'The checkpoint {file} does not fit the config {config}: {problem}{_origin(checkpoint)}.'
        ) from error
    _check_classes(model, checkpoint, file, config)


def _check_classes(model: nn.Module, checkpoint: Mapping, file: str, config: str) -> None:
    """Refuses weights whose shapes fit, but whose classes mean something else."""
    head = getattr(model, 'bbox_head', None)
    own = getattr(head, 'trained_vocabulary', None)
    meta = checkpoint_meta(checkpoint).get('dataset_meta')
    meta = {str(key).lower(): value for key, value in meta.items()} if isinstance(meta, Mapping) else {}
    if own is None or 'vocabulary' not in meta:
        return
    try:
        other = load_vocabulary(meta['vocabulary'])
    except (ValueError, TypeError, KeyError, OSError) as error:
        raise CheckpointError(f'The checkpoint {file} holds a vocabulary that cannot be read: {error}') from error
    if difference := vocabulary_difference(other, own):
        raise CheckpointError(
            f'The checkpoint {file} was trained with another vocabulary than model.bbox_head.vocabulary of the config {config}: '
            f'its {difference}{_origin(checkpoint)}.'
        )
    if meta.get('zero_shot', head.zero_shot) != head.zero_shot:
        raise CheckpointError(
            f'The checkpoint {file} was trained with the zero-shot split {meta["zero_shot"]!r}, but model.bbox_head.zero_shot of '
            f'the config {config} is {head.zero_shot!r}{_origin(checkpoint)}.'
        )


def vocabulary_difference(one: HOIVocabulary, other: HOIVocabulary) -> str | None:
    """Says where the classes of two vocabularies differ; prompts, ids and the vocabularies' names do not count.

    Args:
        one (HOIVocabulary): A vocabulary.
        other (HOIVocabulary): Another one.

    Returns:
        str | None: A clause for a sentence about ``one``, such as "HOI class 3 is 'hold cup', not 'lift cup'"; None where all
        classes are the same.
    """

    def classes(vocabulary: HOIVocabulary) -> list[tuple[str, list[str]]]:
        objects = [*vocabulary.object_names, 'nothing']
        pairs = zip(vocabulary.hoi_verbs, vocabulary.hoi_objects, strict=True)
        return [
            ('HOI class', [f'{vocabulary.verb_names[verb]} {objects[obj]}' for verb, obj in pairs]),
            ('object class', list(vocabulary.object_names)),
        ]

    for (kind, ours), (_, theirs) in zip(classes(one), classes(other), strict=True):
        if len(ours) != len(theirs):
            return f"{kind}es are {len(ours)} ('{one.name}'), not {len(theirs)} ('{other.name}')"
        for i, (our, their) in enumerate(zip(ours, theirs, strict=True)):
            if our != their:
                return f"{kind} {i} is '{our}', not '{their}'"
    return None


def check_resumable(checkpoint: Mapping, file: str) -> None:
    """Refuses to resume from a file that holds weights, but not the state of a training.

    Args:
        checkpoint (Mapping): What the file holds.
        file (str): The file's name, for the message.

    Raises:
        CheckpointError: If the position, the optimizer or the log of the training is not in it.
    """
    meta = checkpoint_meta(checkpoint)
    parts = {'meta.epoch': meta.get('epoch'), 'meta.iter': meta.get('iter')}
    parts |= {key: checkpoint.get(key) for key in ('optimizer', 'message_hub')}
    absent = [name for name, value in parts.items() if value is None]
    if absent:
        raise CheckpointError(
            f'{file} holds no state of a training to resume ({", ".join(absent)} missing): start a new training from its weights '
            f'with --cfg-options load_from={file}, or resume from a checkpoint that training has written.'
        )


def fitting_weights(model: nn.Module, checkpoint: Mapping, file: str) -> frozenset[str]:
    """Names of a model's weights that a checkpoint holds in the right shape.

    Args:
        model (nn.Module): The model; it may be wrapped for distributed training.
        checkpoint (Mapping): What the file holds.
        file (str): The file's name, for the message.

    Returns:
        frozenset[str]: The names.

    Raises:
        CheckpointError: If the file holds no weights, or some that are not finite.
    """
    own = unwrapped(model).state_dict()
    weights = weights_of(checkpoint, file)
    return frozenset(key for key, value in weights.items() if key in own and own[key].shape == value.shape)
