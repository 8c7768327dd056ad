"""Results files in columns: one array per field for all images, in an uncompressed ``.npz``."""

import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...files import new_file

#: Fields of the triplets, and numbers per triplet (None: one, without an axis).
FIELDS: dict[str, int | None] = dict(human_boxes=4, object_boxes=4, labels=None, scores=None)


@dataclass(frozen=True, eq=False)
class Columns:
    """The content of a results file: n images with m triplets in all.

    Attributes:
        file_names (list[str]): Name of each image.
        counts (np.ndarray): (n,) number of triplets of each image.
        human_boxes (np.ndarray): (m, 4) float64.
        object_boxes (np.ndarray): (m, 4) float64. NaN: no object.
        labels (np.ndarray): (m,) integers or whole numbers.
        scores (np.ndarray): (m,) float64.
    """

    file_names: list[str]
    counts: np.ndarray
    human_boxes: np.ndarray
    object_boxes: np.ndarray
    labels: np.ndarray
    scores: np.ndarray


def write_npz(path: str | Path, entries: Iterable[Mapping[str, Any]]) -> None:
    """Writes columns, see :func:`genvlkt_mmdet.evaluation.io.write_results`. Boxes and scores keep their precision."""
    names: list[str] = []
    counts: list[int] = []
    parts: dict[str, list[np.ndarray]] = {key: [] for key in FIELDS}
    for entry in entries:
        names.append(entry['file_name'])
        counts.append(len(entry['labels']))
        for key, width in FIELDS.items():
            array = np.asarray(entry[key]).reshape(counts[-1] if width is None else (counts[-1], width))
            if counts[-1]:  # an empty list has no type
                parts[key].append(array)
    columns = {
        key: np.concatenate(parts[key])
        if parts[key]
        else np.zeros(0 if width is None else (0, width), dtype=np.int64 if key == 'labels' else np.float64)
        for key, width in FIELDS.items()
    }
    content: dict[str, Any] = dict(
        columns, file_names=np.array(names, dtype=np.str_), counts=np.array(counts, dtype=np.int64)
    )
    with new_file(path) as file:
        np.savez(file, **content)


def read_npz(path: str | Path) -> Columns:
    """Reads columns. Nothing in the file is unpickled.

    Raises:
        OSError: If the file cannot be opened.
        ValueError: If the file is damaged, an array is missing or of the wrong type or shape, or the lengths differ.
    """
    arrays = {}
    with open(path, 'rb') as file:
        if file.read(2) != b'PK':
            raise ValueError(f"'{path}' is no readable .npz file; write it again.")
        file.seek(0)
        try:
            with np.load(file, allow_pickle=False) as archive:
                for key in ('file_names', 'counts', *FIELDS):
                    if key not in archive:
                        raise ValueError(f"'{path}': `{key}` is missing.")
                    # A compressed array of a few kilobytes could fill the memory.
                    if archive.zip.getinfo(f'{key}.npy').compress_type != zipfile.ZIP_STORED:
                        raise ValueError(f"'{path}': `{key}` is compressed; write it with numpy.savez.")
                    arrays[key] = archive[key]
        except (zipfile.BadZipFile, EOFError, MemoryError, AttributeError, NotImplementedError, OSError) as error:
            raise ValueError(f"'{path}' is no readable .npz file ({error}); write it again.") from None
    names, counts = arrays['file_names'], arrays['counts']
    if names.ndim != 1 or names.dtype.kind != 'U':
        raise ValueError(f"'{path}': `file_names` must be a list of texts.")
    if counts.shape != names.shape or counts.dtype.kind not in 'iu' or (counts < 0).any():
        raise ValueError(f"'{path}': `counts` must be one whole number of at least 0 per file name.")
    total = sum(counts.tolist())
    for key, width in FIELDS.items():
        kinds, what = ('iu', 'whole numbers') if key == 'labels' else ('f', 'floating-point numbers')
        shape = (total,) if width is None else (total, width)
        if arrays[key].dtype.kind not in kinds or arrays[key].shape != shape:
            raise ValueError(
                f"'{path}': `{key}` must be {what} of shape {shape}, since `counts` adds up to {total}, but it is "
                f'{arrays[key].shape} {arrays[key].dtype}.'
            )
        if key != 'labels':
            arrays[key] = arrays[key].astype(np.float64, copy=False)
    return Columns(**{**arrays, 'file_names': names.tolist(), 'counts': counts.astype(np.int64)})
