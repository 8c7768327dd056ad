"""Checkpoint files: atomic writing, search after an interruption, and strict loading into a model."""

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
from torch import nn

from ..converters import CheckpointError, is_intact, load_strictly, weights_of
from ..converters.files import same_kind
from ..files import write_file
from ..vocabulary import HOIVocabulary, load_vocabulary


class AtomicLocalBackend(LocalBackend):
    """File backend with atomic writes: a local file is either complete or absent.

    Attributes:
        name (str): Name of the backend for ``backend_args=dict(backend=...)``.
    """

    name = 'atomic_local'

    def __init__(self) -> None:
        self._held: dict[str, None] | None = None

    def put(self, obj: bytes, filepath: str | Path) -> None:
        """Writes a file atomically. Missing folders are created."""
        path = Path(filepath)
        for left in path.parent.glob(f'{glob.escape(path.name)}.*.part'):
            left.unlink(missing_ok=True)  # of a run that was interrupted while it wrote
        write_file(path, obj)

    def remove(self, filepath: str | Path) -> None:
        """Removes a file, inside :meth:`removals_last` at the end of the block."""
        if self._held is None:
            super().remove(filepath)
        else:
            self._held[str(filepath)] = None

    @contextmanager
    def removals_last(self) -> Iterator[None]:
        """Delays every removal until the block has ended without an error. Blocks can be nested."""
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
    """Finds the last undamaged checkpoint of a work folder, for ``--resume``.

    mmengine writes the path of the last checkpoint to the file ``last_checkpoint``. Only the file name is used here, because the
    folder may have been moved or copied. If that checkpoint is unusable, the others in the folder follow, the latest first.
    Incomplete or damaged files are skipped with a warning.

    Args:
        work_dir (str | Path): The folder of the training.
        out_dir (str | Path, optional): The ``out_dir`` of the checkpoint hook, if it has one. The checkpoints are then in a
            subfolder of it with the same name as ``work_dir``.

    Returns:
        str | None: Path of the checkpoint. None if there is none.
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
    """``meta`` of a checkpoint, which mmengine writes beside the weights; empty if it has none."""
    meta = checkpoint.get('meta') if isinstance(checkpoint, Mapping) else None
    return meta if isinstance(meta, Mapping) else {}


def dataset_meta(checkpoint: Any) -> dict[str, Any]:
    """``dataset_meta`` of a checkpoint, with keys in lower case; empty if it has none."""
    meta = checkpoint_meta(checkpoint).get('dataset_meta')
    return {str(key).lower(): value for key, value in meta.items()} if isinstance(meta, Mapping) else {}


def _origin(checkpoint: Mapping) -> str:
    """Clause that names the config of a checkpoint's training. Empty if it is unknown."""
    name = checkpoint_meta(checkpoint).get('experiment_name')
    name = re.sub(r'_\d{8}_\d{6}$', '', name) if isinstance(name, str) else ''
    return f'; it was trained with the config {name}.py' if name else ''


def unwrapped(model: nn.Module) -> nn.Module:
    """Returns the model inside a wrapper for distributed training, or the model itself if there is no wrapper."""
    return model.module if is_model_wrapper(model) else model


def load_weights(model: nn.Module, checkpoint: Mapping, file: str, config: str) -> None:
    """Loads a checkpoint into a model and refuses it if its weights or its classes do not fit.

    Args:
        model (nn.Module): The model, built from the config. It can be wrapped for distributed training.
        checkpoint (Mapping): Content of the file: the weights, or a dict with ``state_dict`` and ``meta``.
        file (str): The file's name, for the message.
        config (str): The config's name, for the message.

    Raises:
        CheckpointError: If the file has no weights or weights that are not finite, if a key is missing, unknown or of another
            shape, or if the classes of the checkpoint are not those of the model.
    """
    model = unwrapped(model)
    if not isinstance(checkpoint, Mapping):
        raise CheckpointError(f'{file} holds no weights: give a checkpoint that training has written.')
    weights = weights_of(checkpoint, file)
    load_strictly(model, weights, file, config, _origin(checkpoint))
    _check_classes(model, checkpoint, file, config)


def _check_classes(model: nn.Module, checkpoint: Mapping, file: str, config: str) -> None:
    """Refuses weights whose shapes fit, but whose classes are different."""
    other = _vocabulary_of(checkpoint, file)
    head = getattr(model, 'bbox_head', None)
    own = getattr(head, 'trained_vocabulary', None)
    if own is None or other is None:
        return
    meta = dataset_meta(checkpoint)
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


def _vocabulary_of(checkpoint: Mapping, file: str) -> HOIVocabulary | None:
    """Vocabulary that a checkpoint was trained with. None if it does not have it."""
    meta = dataset_meta(checkpoint)
    if 'vocabulary' not in meta:
        return None
    try:
        return load_vocabulary(meta['vocabulary'])
    except (ValueError, TypeError, KeyError, OSError) as error:
        raise CheckpointError(f'The checkpoint {file} holds a vocabulary that cannot be read: {error}') from error


def vocabulary_difference(one: HOIVocabulary, other: HOIVocabulary) -> str | None:
    """Describes the first difference between the classes of two vocabularies. Prompts, ids and names are ignored.

    Returns:
        str | None: A clause about ``one``, such as "HOI class 3 is 'hold cup', not 'lift cup'". None if all classes are equal.
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
    """Refuses to resume from a file that has weights, but lacks the position, the optimizer or the log of the training."""
    meta = checkpoint_meta(checkpoint)
    parts = {'meta.epoch': meta.get('epoch'), 'meta.iter': meta.get('iter')}
    # mmengine fails on anything else, and takes a fraction or a negative number for a position.
    parts = {name: value if isinstance(value, int) and value >= 0 else None for name, value in parts.items()}
    parts |= {
        key: checkpoint[key] if isinstance(checkpoint.get(key), Mapping) else None
        for key in ('optimizer', 'message_hub')
    }
    absent = [name for name, value in parts.items() if value is None]
    if absent:
        raise CheckpointError(
            f'{file} holds no state of a training to resume (missing or damaged: {", ".join(absent)}): start a new training from '
            f'its weights with --cfg-options load_from={file}, or resume from a checkpoint that training has written.'
        )


def fitting_weights(model: nn.Module, checkpoint: Mapping, file: str) -> frozenset[str]:
    """Returns the names of a model's weights that a checkpoint has in the right shape. The model can be wrapped.

    The rows of the classifiers are not among them if the classes differ, see :func:`match_classes`.
    """
    own = unwrapped(model).state_dict()
    weights = weights_of(checkpoint, file)
    names = frozenset(key for key, value in weights.items() if key in own and same_kind(value, own[key]))
    if _other_vocabulary(model, checkpoint, file) is None:
        return names
    return names - {name for name, _ in _class_rows(model)} - set(_verb_tables(model))


def match_classes(model: nn.Module, checkpoint: dict[str, Any], file: str) -> None:
    """Prepares a checkpoint of other classes for a model: each class of both keeps its trained weights.

    Without this, a checkpoint with the same number of classes would be loaded in the wrong order. The other classes of the model
    keep the weights that the model has, such as text embeddings.

    Args:
        model (nn.Module): The initialised model. It can be wrapped.
        checkpoint (dict): Content of the file. Its weights are changed. Nothing changes if it has the model's classes, or does
            not say which it has.
        file (str): The file's name, for a message.
    """
    other = _other_vocabulary(model, checkpoint, file)
    if other is None:
        return
    head, weights = unwrapped(model).bbox_head, weights_of(checkpoint, file)
    split = head.zero_shot or dataset_meta(checkpoint).get('zero_shot')  # then there are several sets of rows
    for name in _verb_tables(model):  # the classes determine it
        weights.pop(name, None)
    for name, kind in _class_rows(model):
        trained, mine = weights.pop(name, None), unwrapped(model).state_dict()[name].clone()
        own, theirs = _class_names(head.trained_vocabulary, kind), _class_names(other, kind)
        fits = (
            trained is not None
            and trained.shape[1:] == mine.shape[1:]
            and (len(mine), len(trained)) == (len(own), len(theirs))
        )
        if split or not fits:
            continue
        rows = [(i, theirs.index(key)) for i, key in enumerate(own) if key in theirs]
        for row, their_row in rows:
            mine[row] = trained[their_row].to(mine)
        weights[name] = mine
        if name.endswith('weight'):
            print_log(f'{len(rows)} of {len(own)} {kind} have weights in {file}.', logger='current')
    checkpoint['state_dict'] = weights


def _other_vocabulary(model: nn.Module, checkpoint: Mapping, file: str) -> HOIVocabulary | None:
    """Vocabulary of a checkpoint, if its classes are not those of the model."""
    own = getattr(getattr(unwrapped(model), 'bbox_head', None), 'trained_vocabulary', None)
    other = None if own is None else _vocabulary_of(checkpoint, file)
    return other if other is not None and vocabulary_difference(other, own) else None


def _class_rows(model: nn.Module) -> list[tuple[str, str]]:
    """Name and kind of each weight of the classifiers that has a row for each class."""
    names = [key for key in unwrapped(model).state_dict() if key.startswith('bbox_head.')]
    rows = []
    for part, kind, layers in (
        ('hoi_classifier', 'HOI classes', ('fc', 'eval_fc', 'linear')),
        ('hoi_classifier', 'verbs', ('verb_fc',)),
        ('obj_classifier', 'object classes', ('fc', 'eval_fc', 'linear')),
    ):
        for layer in layers:
            rows += [(n, kind) for n in names if n.startswith(f'bbox_head.{part}.{layer}.')]
    return rows


def _verb_tables(model: nn.Module) -> list[str]:
    """Names of the tables that say which verbs an HOI class has."""
    return [name for name in unwrapped(model).state_dict() if name.endswith('verb_table')]


def _class_names(vocabulary: HOIVocabulary, kind: str) -> list[tuple[str, ...]]:
    """What identifies each class of a classifier, in order."""
    if kind == 'verbs':
        return [(name,) for name in vocabulary.verb_names]
    objects = [*vocabulary.object_names, *['person only'] * vocabulary.has_no_object, 'nothing']
    if kind == 'object classes':
        return [(name,) for name in objects]
    pairs = zip(vocabulary.hoi_verbs, vocabulary.hoi_objects, strict=True)
    return [(vocabulary.verb_names[verb], objects[obj]) for verb, obj in pairs]
