"""Reader of HICO-DET's release: ``anno_bbox.mat``, and ``anno.mat`` for the image-level labels."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ...files import names_file
from ...vocabulary import HOIVocabulary
from .mat_file import load_mat


def read_hico_release(
    bbox_file: str | Path, split: str, vocabulary: HOIVocabulary, anno_file: str | Path | None = None
) -> list[dict]:
    """Reads a split of HICO-DET's release.

    The release has separate boxes for every HOI class, so a person can have several boxes. The records have them too (see
    :func:`.merge.merge_record`). 1-based boxes become 0-based.

    Args:
        bbox_file (str | Path): ``anno_bbox.mat``.
        split (str): ``'train'`` or ``'test'``.
        vocabulary (HOIVocabulary): HICO-DET's vocabulary.
        anno_file (str | Path, optional): ``anno.mat``. It adds ``image_hois``, the HOI ids of the image-level labels, which
            the Known Object setting of the evaluation needs.

    Returns:
        list[dict]: One record per image, including images without pairs.

    Raises:
        FileNotFoundError: If a file is missing.
        ValueError: If a file has another content, or contradicts itself.
    """
    if split not in ('train', 'test'):
        raise ValueError(f"HICO-DET has the splits 'train' and 'test', not '{split}'.")
    with names_file(bbox_file):
        images = _aslist(_load(bbox_file, f'bbox_{split}')[0])
        records = [_record(image, i, vocabulary, str(bbox_file)) for i, image in enumerate(images)]
    if anno_file is None:
        return records
    with names_file(anno_file):
        names, labels = _load(anno_file, f'list_{split}', f'anno_{split}')
        names = [str(name) for name in _aslist(names)]
        labels = np.atleast_2d(np.array(labels, dtype=float))
        if labels.shape == (1, vocabulary.num_hois) and len(names) == 1:
            labels = labels.T  # the column of a single image is read as a row
        if labels.shape != (vocabulary.num_hois, len(names)):
            raise ValueError(
                f"'{anno_file}': anno_{split} must be {vocabulary.num_hois} x {len(names)}, not {labels.shape}."
            )
        column = {name: k for k, name in enumerate(names)}
        for record in records:
            if record['file_name'] not in column:
                raise ValueError(f"'{anno_file}' lacks image '{record['file_name']}' of '{bbox_file}'.")
            positive = np.flatnonzero(labels[:, column[record['file_name']]] == 1)
            record['image_hois'] = [vocabulary.hoi_ids[k] for k in positive]
    return records


def _load(path: str | Path, *names: str) -> list:
    if not Path(path).is_file():
        raise FileNotFoundError(f"'{path}' is missing: HICO-DET's release holds anno_bbox.mat and anno.mat.")
    return list(next(load_mat([path], names, simplify=True)).values())


def _aslist(value: Any) -> list:
    """A list. The 1 x 1 arrays of Matlab come as their only element."""
    if isinstance(value, np.ndarray):
        return list(value) if value.ndim else [value.item()]
    return value if isinstance(value, list) else [value]


def _record(image: Mapping, index: int, vocabulary: HOIVocabulary, source: str) -> dict:
    name = str(image['filename'])
    record: dict[str, Any] = dict(
        file_name=name,
        img_id=index,
        width=int(image['size']['width']),
        height=int(image['size']['height']),
        annotations=[],
        hoi_annotation=[],
    )
    boxes: dict[tuple, int] = {}
    for hoi in _aslist(image['hoi']):
        hoi_id = int(hoi['id'])
        if not 1 <= hoi_id <= vocabulary.num_hois:
            raise ValueError(f"'{source}', image '{name}': HOI id {hoi_id} is out of range 1 to {vocabulary.num_hois}.")
        if hoi['invis']:
            continue  # no pair of this class is visible enough for boxes
        humans, objects = _aslist(hoi['bboxhuman']), _aslist(hoi['bboxobject'])
        object_id = vocabulary.object_ids[vocabulary.hoi_objects[hoi_id - 1]]
        for human, obj in np.asarray(hoi['connection'], dtype=int).reshape(-1, 2):
            if not (1 <= human <= len(humans) and 1 <= obj <= len(objects)):
                raise ValueError(
                    f"'{source}', image '{name}', HOI {hoi_id}: connection ({human}, {obj}) points to no box; there are "
                    f'{len(humans)} human and {len(objects)} object boxes.'
                )
            record['hoi_annotation'].append(
                dict(
                    subject_id=_box(humans[human - 1], vocabulary.object_ids[0], boxes),
                    object_id=_box(objects[obj - 1], object_id, boxes),
                    category_id=vocabulary.verb_ids[vocabulary.hoi_verbs[hoi_id - 1]],
                    hoi_category_id=hoi_id,
                )
            )
    record['annotations'] = [dict(bbox=list(box), category_id=category) for *box, category in boxes]
    return record


def _box(box: Mapping, category: int, boxes: dict[tuple, int]) -> int:
    """Index of a box. Equal boxes of a class are one box."""
    key = (*(float(box[k]) - 1 for k in ('x1', 'y1', 'x2', 'y2')), category)
    return boxes.setdefault(key, len(boxes))
