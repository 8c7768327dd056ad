"""Results files in JSON: a list with one entry per image."""

import json
import re
import string
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from ...datasets.records import show
from ...files import new_file
from ...structures import has_object
from .results_columns import FIELDS, Columns

_START = re.compile(r'[\s,]*\[')
_BETWEEN = frozenset(string.whitespace + ',')
# Bytes that the quick reader reads at once, and those of the longest entry that it waits for.
_BLOCK, _LONGEST = 1 << 20, 1 << 26
_NO_BOX, _ZEROS = [np.nan] * 4, [0] * 4

Arrays = dict[str, np.ndarray]


class _NotPlain(Exception):
    """The file has a form that only the thorough reader knows, or a mistake that it describes."""


def write_json(path: str | Path, entries: Iterable[Mapping[str, Any]]) -> None:
    """Writes JSON, see :func:`genvlkt_mmdet.evaluation.io.write_results`."""
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


def read_json(path: str | Path) -> Columns:
    """Reads JSON, entry by entry, so that not all of a large file is in memory as objects.

    Raises:
        OSError: If the file cannot be opened.
        ValueError: If the file is no list of entries, or an entry has no file name, lacks a list, or has lists of different
            lengths or of wrong types. The message names the image.
    """
    try:
        return _join(_quick_entries(path), _quick_arrays)
    except _NotPlain:
        return _join(_entries(path), lambda entry: _arrays(path, entry))


def _join(entries: Iterable[dict], arrays_of: Callable[[dict], Arrays]) -> Columns:
    names: list[str] = []
    parts: dict[str, list[np.ndarray]] = {
        key: [np.zeros(0 if width is None else (0, width))] for key, width in FIELDS.items()
    }
    for entry in entries:
        for key, array in arrays_of(entry).items():
            parts[key].append(array)
        names.append(entry['file_name'])
    counts = np.array([len(array) for array in parts['labels'][1:]], dtype=np.int64)
    return Columns(names, counts, **{key: np.concatenate(parts.pop(key)) for key in FIELDS})


# The quick reader. It reads what `write_json` and other plain writers make, with the same result as the thorough one.


def _quick_entries(path: str | Path) -> Iterator[dict]:
    """Yields the entries of a list of objects without inner objects: each one ends with the next ``}``."""
    rest, start = b'', b'['
    with open(path, 'rb') as file:
        while block := file.read(_BLOCK):
            if len(rest) > _LONGEST:
                raise _NotPlain
            *entries, rest = (rest + block).split(b'}')
            for text in entries:
                text = text.lstrip(b' \n\r\t')
                if not text.startswith(start):
                    raise _NotPlain
                try:
                    yield orjson.loads(text[1:] + b'}')
                except orjson.JSONDecodeError:
                    raise _NotPlain from None
                start = b','
    if rest.strip(b' \n\r\t') != (b'[]' if start == b'[' else b']'):
        raise _NotPlain


def _quick_arrays(entry: dict) -> Arrays:
    try:
        arrays = {key: _quick_array(entry[key], key, width) for key, width in FIELDS.items()}
    except (KeyError, TypeError, ValueError, OverflowError):
        raise _NotPlain from None
    if type(entry.get('file_name')) is not str or len({len(array) for array in arrays.values()}) > 1:
        raise _NotPlain
    return arrays


def _quick_array(values: Any, key: str, width: int | None) -> np.ndarray:
    if type(values) is not list:
        raise _NotPlain
    if width is None:
        array = np.array(values, dtype=np.float64)
        if array.ndim != 1:
            raise _NotPlain
        return array
    absent = None
    if key == 'object_boxes' and None in values:
        absent = [row is None for row in values]
        values = [_ZEROS if row is None else row for row in values]
    if set(map(type, values)) - {list} or set(map(len, values)) - {width}:
        raise _NotPlain
    # numpy takes several times as long for a list of lists
    array = np.fromiter(chain.from_iterable(values), np.float64, width * len(values)).reshape(-1, width)
    if np.isnan(array).any():  # a null among the four numbers
        raise _NotPlain
    if absent is not None:
        array[absent] = np.nan
    return array


# The thorough reader, whose messages say what is wrong, and where.


def _arrays(path: str | Path, entry: Mapping[str, Any]) -> Arrays:
    where = f"'{path}', image {show(entry['file_name'])}"
    lists: dict[str, Any] = {key: entry.get(key) for key in FIELDS}
    for key, values in lists.items():
        if not isinstance(values, list):
            raise ValueError(f'{where}: `{key}` is missing or is no list.')
    if len({len(values) for values in lists.values()}) > 1:
        counts = ', '.join(f'{len(values)} {key}' for key, values in lists.items())
        raise ValueError(f'{where}: the lists differ in length: {counts}.')
    absent = np.array([box is None for box in lists['object_boxes']], dtype=bool)
    lists['object_boxes'] = [_NO_BOX if box is None else box for box in lists['object_boxes']]
    try:
        arrays = {key: _numbers(lists[key], key, width) for key, width in FIELDS.items()}
    except ValueError as error:
        raise ValueError(f'{where}: {error}') from None
    if not np.isfinite(arrays['object_boxes'][~absent]).all():  # NaN is no way to say 'no object' in JSON
        raise ValueError(f'{where}: `object_boxes` holds NaN or infinity.')
    return arrays


def _numbers(values: list, key: str, width: int | None) -> np.ndarray:
    shape, wanted = ((len(values),), 'numbers') if width is None else ((len(values), width), '[x1, y1, x2, y2] each')
    with suppress(TypeError, ValueError, OverflowError):
        array = np.array(values, dtype=np.float64)
        if not values or array.shape == shape:
            return array.reshape(shape)
    raise ValueError(f'`{key}` must be {wanted}.')


def _entries(path: str | Path) -> Iterator[dict]:
    """Yields the entries of a JSON list one at a time."""
    try:
        text = Path(path).read_text(encoding='utf-8')
    except UnicodeDecodeError:
        raise ValueError(
            f"'{path}' is no JSON text; give a results file (.json, .npz), a .pkl, or a folder of .mat files."
        ) from None
    decode = json.JSONDecoder().raw_decode
    start = _START.match(text)
    if start is None:
        raise ValueError(f"'{path}' must hold a JSON list with one entry per image.")
    place, name, number = start.end(), None, 0
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
        if not isinstance(entry, dict) or not isinstance(entry.get('file_name'), str):
            raise ValueError(f"'{path}', entry {number}: it must be an object with `file_name`.")
        name = entry['file_name']
        number += 1
        yield entry
