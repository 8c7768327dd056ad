"""Results files: JSON with one entry per image that holds its triplets."""

import json
import re
import string
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from ...datasets.records import show
from ...files import names_file, new_file
from ...structures import Triplets, has_object
from .image_index import ImageIndex

_KEYS = ('human_boxes', 'object_boxes', 'labels', 'scores')
_NOTHING = Triplets.of_image([], [], [], [])
_START = re.compile(r'[\s,]*\[')
_BETWEEN = frozenset(string.whitespace + ',')


def write_results(path: str | Path, entries: Iterable[Mapping[str, Any]]) -> None:
    """Writes a results file.

    The file is a JSON list with one entry per image and line: ``file_name``, ``human_boxes`` (xyxy, 0-based pixels of
    the original image), ``object_boxes`` (likewise; null for a triplet without object), ``labels`` and ``scores``.
    Numbers keep all their digits, so evaluating the file gives exactly the result of the arrays.

    Args:
        path (str | Path): The file. Missing folders are created.
        entries (Iterable[Mapping]): ``file_name`` and the arrays of each image. An object box of NaN means 'no object'.
    """
    with new_file(path) as file:
        separator = '[\n'
        for entry in entries:
            objects = np.asarray(entry['object_boxes'], dtype=np.float64).reshape(-1, 4)
            line = dict(
                file_name=entry['file_name'],
                human_boxes=np.asarray(entry['human_boxes'], dtype=np.float64).reshape(-1, 4).tolist(),
                object_boxes=[
                    box if exists else None for box, exists in zip(objects.tolist(), has_object(objects), strict=True)
                ],
                labels=np.asarray(entry['labels']).tolist(),
                scores=np.asarray(entry['scores'], dtype=np.float64).tolist(),
            )
            file.write((separator + json.dumps(line, allow_nan=False)).encode())
            separator = ',\n'
        file.write(b'\n]\n' if separator == ',\n' else b'[]\n')


def read_results(
    path: str | Path, images: Sequence[Mapping[str, Any]], num_classes: int, may_lack_object: bool = False
) -> tuple[Triplets, int]:
    """Reads a results file and checks it against the images of a split.

    Args:
        path (str | Path): The file, see :func:`write_results`.
        images (Sequence[Mapping]): ``file_name`` and ``img_id`` of each image of the split.
        num_classes (int): Number of classes. Labels are 0 to ``num_classes - 1``.
        may_lack_object (bool): Whether the object box of a triplet may be null. Default: False.

    Returns:
        tuple[Triplets, int]: The triplets, whose ``images`` are positions in ``images``, and the number of images without
        entry in the file.

    Raises:
        FileNotFoundError: If the file is missing.
        ValueError: If the file is no valid JSON (e.g. truncated), something follows its list, or an entry has an unknown or
            repeated image, a missing key, lists of different lengths, a label out of range, a box without four numbers,
            NaN or infinity.
    """
    index = ImageIndex(images)
    entries: list[Triplets | None] = [None] * len(index)
    with names_file(path, 'write it again'):
        for number, entry in enumerate(_stream(path)):
            if not isinstance(entry, dict) or not isinstance(entry.get('file_name'), str):
                raise ValueError(f"'{path}', entry {number}: it must be an object with `file_name`.")
            where = f"'{path}', image {show(entry['file_name'])}"
            position = index.by_name(entry['file_name'])
            if position is None:
                raise ValueError(
                    f'{where}: the annotation file has no such image; are the results of another split or dataset?'
                )
            if entries[position] is not None:
                raise ValueError(f'{where}: the image occurs twice; join its triplets in one entry.')
            try:
                entries[position] = _check(entry, num_classes, may_lack_object)
            except ValueError as error:
                raise ValueError(f'{where}: {error}') from None
    missing = sum(entry is None for entry in entries)
    return Triplets.join([_NOTHING if entry is None else entry for entry in entries]), missing


def _check(entry: Mapping[str, Any], num_classes: int, may_lack_object: bool) -> Triplets:
    """Checks an entry and returns its triplets."""
    lists: dict[str, Any] = {key: entry.get(key) for key in _KEYS}
    for key, values in lists.items():
        if not isinstance(values, list):
            raise ValueError(f'`{key}` is missing or is no list.')
    if len({len(values) for values in lists.values()}) > 1:
        counts = ', '.join(f'{len(values)} {key}' for key, values in lists.items())
        raise ValueError(f'the lists differ in length: {counts}.')
    absent = np.array([box is None for box in lists['object_boxes']], dtype=bool)
    if absent.any() and not may_lack_object:
        raise ValueError('an object box is null, but every class of this dataset has an object.')
    lists['object_boxes'] = [[np.nan] * 4 if box is None else box for box in lists['object_boxes']]
    arrays = {key: _numbers(values, key) for key, values in lists.items()}
    for key, values in arrays.items():
        if not np.isfinite(values[~absent] if key == 'object_boxes' else values).all():
            raise ValueError(f'`{key}` holds NaN or infinity.')
    labels = arrays['labels']
    wrong = (labels != np.floor(labels)) | (labels < 0) | (labels >= num_classes)
    if wrong.any():
        raise ValueError(f'label {labels[wrong][0]:g} is out of range; labels are 0 to {num_classes - 1}.')
    return Triplets.of_image(**arrays)


def _numbers(values: list, key: str) -> np.ndarray:
    shape, wanted = ((len(values), 4), '[x1, y1, x2, y2] each') if 'boxes' in key else ((len(values),), 'numbers')
    with suppress(TypeError, ValueError, OverflowError):
        array = np.array(values, dtype=np.float64)
        if not values or array.shape == shape:
            return array.reshape(shape)
    raise ValueError(f'`{key}` must be {wanted}.')


def _stream(path: str | Path) -> Iterator[Any]:
    """Yields the elements of a JSON list one at a time, so that not all of a large file are in memory as objects."""
    try:
        text = Path(path).read_text(encoding='utf-8')
    except UnicodeDecodeError:
        raise ValueError(f"'{path}' is no JSON text; give a results file, a .pkl, or a folder of .mat files.") from None
    decode = json.JSONDecoder().raw_decode
    start = _START.match(text)
    if start is None:
        raise ValueError(f"'{path}' must hold a JSON list with one entry per image.")
    place, name = start.end(), None
    while True:
        while place < len(text) and text[place] in _BETWEEN:
            place += 1
        if text[place : place + 1] == ']':
            if text[place + 1 :].strip():
                raise ValueError(f"'{path}' goes on after the end of its list; write it again.")
            return
        try:
            entry, place = decode(text, place)
        except json.JSONDecodeError as error:
            after = f'after image {show(name)}' if name else 'in its first entry'
            cut = place == len(text) or error.pos >= len(text) - 1 or not text.rstrip().endswith(']')
            what = (
                'ends in the middle (truncated?)' if cut else f'is no valid JSON ({error.msg}, character {error.pos})'
            )
            raise ValueError(f"'{path}' {what} {after}; write it again.") from None
        name = entry.get('file_name') if isinstance(entry, dict) else None
        yield entry
