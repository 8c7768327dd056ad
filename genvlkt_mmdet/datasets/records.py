"""Checks of annotation records, used by the dataset classes and by ``check_dataset``."""

import os.path as osp
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any

import numpy as np

from ..vocabulary import HOIVocabulary


def structure_problems(record: Any) -> Iterator[str]:
    """Finds missing fields and values of the wrong type in an entry of an annotation file. Yields a sentence for each."""
    if not isinstance(record, Mapping):
        yield f'an entry must be an object with `file_name`, not {show(record)}.'
        return
    for key, is_right, wanted, required in (
        ('file_name', lambda v: isinstance(v, str) and v and '\0' not in v, 'the name of an image file', True),
        ('annotations', lambda v: isinstance(v, list), 'a list of boxes', True),
        ('hoi_annotation', lambda v: isinstance(v, list), 'a list of triplets', True),
        ('width', lambda v: _is_number(v) and v >= 1, 'a number of pixels', False),
        ('height', lambda v: _is_number(v) and v >= 1, 'a number of pixels', False),
        ('img_id', _is_index, 'a whole number', False),
        ('image_hois', lambda v: isinstance(v, list), 'a list of HOI ids', False),
    ):
        yield from _check(record, key, is_right, wanted, required)
    for k, box in _entries(record, 'annotations'):
        if not isinstance(box, Mapping):
            yield f'box {k} must be an object with `bbox` and `category_id`, not {show(box)}.'
            continue
        yield from _check(box, 'bbox', _is_box, 'x1, y1, x2, y2', where=f'box {k}: ')
        yield from _check(box, 'category_id', where=f'box {k}: ')
        yield from _check(box, 'annotated', lambda v: isinstance(v, bool), 'true or false', False, f'box {k}: ')
    for k, hoi in _entries(record, 'hoi_annotation'):
        if not isinstance(hoi, Mapping):
            yield f'pair {k} must be an object with `subject_id`, `object_id` and `category_id`, not {show(hoi)}.'
            continue
        for key in ('subject_id', 'object_id', 'category_id'):
            yield from _check(hoi, key, where=f'pair {k}: ')


def image_name(record: Any, otherwise: str) -> str:
    """Name of the image of an entry of an annotation file, or ``otherwise`` if it has none."""
    name = record.get('file_name') if isinstance(record, Mapping) else None
    return name if isinstance(name, str) else otherwise


def is_box_index(value: Any, num_boxes: int, may_lack: bool) -> bool:
    """Whether a pair's ``subject_id`` or ``object_id`` is the index of a box, or -1 if ``may_lack``."""
    return _is_index(value) and (-1 if may_lack else 0) <= value < num_boxes


def leaves_folder(file_name: str) -> bool:
    r"""Whether a file name, with slashes or backslashes, points outside its folder: an absolute path, or one with ``..``.

    Examples:
        >>> leaves_folder('train2014/a.jpg'), leaves_folder('x/../a.jpg')
        (False, False)
        >>> leaves_folder('/etc/passwd'), leaves_folder('../a.jpg'), leaves_folder(r'C:\a.jpg')
        (True, True, True)
    """
    path = osp.normpath(file_name.replace('\\', '/'))
    return PurePosixPath(path).is_absolute() or bool(PureWindowsPath(path).drive) or path.split('/')[0] == '..'


def is_finite(value: Any) -> bool:
    """Whether a JSON value is a finite number."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 1e9


def show(value: Any) -> str:
    """Formats a JSON value for an error message, in at most 60 characters."""
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # an integer with thousands of digits, a deeply nested list ...
        return f'a value of type {type(value).__name__}'
    return text if len(text) <= 60 else f'{text[:57]}...'


class FileIds:
    """Converts ids of annotation files to indices of the vocabulary. Raises ValueError for unknown ids."""

    def __init__(self, vocabulary: HOIVocabulary) -> None:
        self.vocabulary = vocabulary
        self._objects = {i: k for k, i in enumerate(vocabulary.object_ids)}
        self._verbs = {i: k for k, i in enumerate(vocabulary.verb_ids)}
        self._hois = {i: k for k, i in enumerate(vocabulary.hoi_ids)}
        pairs = zip(vocabulary.hoi_verbs, vocabulary.hoi_objects, strict=True)
        self._classes = {pair: k for k, pair in enumerate(pairs)}

    def object(self, file_id: Any) -> int:
        """Object index of a box's ``category_id``."""
        return self._look_up(self._objects, file_id, 'box category_id')

    def verb(self, file_id: Any) -> int:
        """Verb index of a pair's ``category_id``."""
        return self._look_up(self._verbs, file_id, 'verb category_id')

    def hoi(self, file_id: Any) -> int:
        """HOI index of a ``hoi_category_id``."""
        return self._look_up(self._hois, file_id, 'hoi_category_id')

    def hoi_of(self, verb: int, label: int) -> int | None:
        """HOI index of a verb and an object index. None if they form no class."""
        return self._classes.get((verb, label))

    def _look_up(self, table: dict[int, int], file_id: Any, what: str) -> int:
        index = table.get(file_id) if _is_index(file_id) else None
        if index is None:
            raise ValueError(
                f"{what} {show(file_id)} is out of range: vocabulary '{self.vocabulary.name}' has the ids "
                f'{min(table)} to {max(table)}.'
            )
        return index


def _check(
    record: Mapping, key: str, is_right: Any = None, wanted: str = '', required: bool = True, where: str = ''
) -> Iterator[str]:
    if key not in record:
        if required:
            yield f"{where}field '{key}' is missing."
    elif is_right is not None and not is_right(record[key]):
        yield f'{where}`{key}` must be {wanted}, not {show(record[key])}.'


def _entries(record: Mapping, key: str) -> Iterator[tuple[int, Any]]:
    value = record.get(key)
    return enumerate(value if isinstance(value, list) else ())


def _is_index(value: Any) -> bool:
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool) and abs(value) < 2**63


def _is_number(value: Any) -> bool:
    """Whether a value is a valid coordinate. NaN and infinity are allowed, because such a box can be skipped."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and not abs(value) > 1e9


def _is_box(value: Any) -> bool:
    right = isinstance(value, (list, tuple)) and len(value) == 4
    return right and all(_is_number(x) or isinstance(x, float) for x in value)
