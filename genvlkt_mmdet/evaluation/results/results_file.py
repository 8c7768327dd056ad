"""The results file: one entry per image with its triplets."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np


def write_results(path: str | Path, entries: Iterable[Mapping[str, Any]]) -> None:
    """Writes a results file.

    The file is a JSON list with one entry per image and line: ``file_name``, ``human_boxes`` (xyxy, 0-based pixels of
    the original image), ``object_boxes`` (likewise; null where a triplet has no object), ``labels`` and ``scores``.
    Numbers are written with all their digits: an evaluation of the file equals one of the arrays.

    Args:
        path (str | Path): The file; its folder is made.
        entries (Iterable[Mapping]): Per image ``file_name`` and the arrays; an object box of NaN is one that is absent.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open('w', encoding='utf-8') as file:
        separator = '[\n'
        for entry in entries:
            objects = np.asarray(entry['object_boxes'], dtype=np.float64).reshape(-1, 4)
            absent = np.isnan(objects).any(axis=1)
            line = dict(
                file_name=entry['file_name'],
                human_boxes=np.asarray(entry['human_boxes'], dtype=np.float64).reshape(-1, 4).tolist(),
                object_boxes=[None if none else box for box, none in zip(objects.tolist(), absent, strict=True)],
                labels=np.asarray(entry['labels']).tolist(),
                scores=np.asarray(entry['scores'], dtype=np.float64).tolist(),
            )
            file.write(separator + json.dumps(line, allow_nan=False))
            separator = ',\n'
        file.write('\n]\n' if separator == ',\n' else '[]\n')
