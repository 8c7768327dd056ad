"""Reader of V-COCO's release: ``vcoco_{train,val,test}.json`` together with COCO instances."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ...files import names_file
from ...vocabulary import HOIVocabulary
from .coco import read_coco
from .json_file import load_json


def read_vsrl(
    ann_files: Sequence[str | Path],
    coco_file: str | Path | Sequence[str | Path],
    vocabulary: HOIVocabulary,
    split_ids: str | Path | None = None,
) -> list[list[dict]]:
    """Reads files of V-COCO's release.

    Boxes are those of the official program: ``x2 = x1 + max(0, w - 1)``, clipped to the image. Boxes that are empty, have
    no area or are marked ``ignore`` are dropped. Crowds are kept.

    Args:
        ann_files (Sequence[str | Path]): Files such as ``vcoco_train.json``.
        coco_file (str | Path | Sequence): COCO instances with the images: the published ``instances_train2014.json``
            and ``instances_val2014.json``, or one merged file such as ``instances_vcoco_all_2014.json``. Each is read once.
        vocabulary (HOIVocabulary): V-COCO's vocabulary.
        split_ids (str | Path, optional): Text file with the ids of the images to read, one per line. None: all images.

    Returns:
        list[list[dict]]: For each file, one record per image, in the order of the ids. Each box has ``annotated``: whether the
        person's actions are annotated. ``hoi_annotation`` has one entry per person, action and role, with ``object_id`` -1 if
        the role has no object.

    Raises:
        FileNotFoundError: If a file is missing.
        ValueError: If a file has another content, or the files do not belong together.
    """
    image_ids = None if split_ids is None else _read_image_ids(split_ids)
    for path in ann_files:
        if not Path(path).is_file():
            raise FileNotFoundError(f"'{path}' is missing: V-COCO's release holds vcoco_*.json.")
    contents = [load_json(path) for path in ann_files]
    wanted = []
    for path, actions in zip(ann_files, contents, strict=True):
        with names_file(path):
            _check_actions(actions, str(path))
            wanted.append(_integers(actions[0]['image_id']) if image_ids is None else image_ids)
    coco = read_coco(coco_file, {i for ids in wanted for i in ids})
    records = []
    for path, actions, ids in zip(ann_files, contents, wanted, strict=True):
        with names_file(path):
            records.append(_to_records(actions, coco, vocabulary, ids, str(path)))
    return records


def _read_image_ids(path: str | Path) -> list[int]:
    if not Path(path).is_file():
        raise FileNotFoundError(f"'{path}' is missing: it should list the image ids of the split.")
    try:
        ids = [int(line) for line in Path(path).read_text(encoding='utf-8').split()]
    except ValueError:  # a UnicodeDecodeError is one
        ids = []
    if not ids:
        raise ValueError(f"'{path}' is no list of image ids: it must hold one number per line.")
    return ids


def _to_records(
    actions: Sequence[Mapping[str, Any]],
    coco: Mapping[str, Any],
    vocabulary: HOIVocabulary,
    image_ids: Iterable[int],
    source: str,
) -> list[dict]:
    verbs = _verb_ids(actions, vocabulary, source)
    wanted = sorted(set(image_ids))
    images = {image['id']: image for image in coco.get('images', ())}
    if not images or 'annotations' not in coco:
        raise ValueError(f"The COCO instances for '{source}' hold no images or annotations.")
    unknown = [i for i in wanted if i not in images]
    if unknown:
        raise ValueError(
            f"The COCO instances lack {len(unknown)} of the {len(wanted)} images of '{source}', e.g. image {unknown[0]}: "
            'give both instances_train2014.json and instances_val2014.json.'
        )
    records = {
        i: dict(
            file_name=images[i]['file_name'],
            img_id=i,
            width=images[i]['width'],
            height=images[i]['height'],
            annotations=[],
            hoi_annotation=[],
        )
        for i in wanted
    }
    labelled = set(_integers(actions[0]['ann_id']))
    places: dict[int, tuple[int, int]] = {}  # annotation id -> image id, index of its box
    for annotation in coco['annotations']:
        record = records.get(annotation['image_id'])
        if record is None or annotation.get('ignore') == 1:
            continue
        box = _clean_box(annotation['bbox'], record['width'], record['height'])
        if annotation['area'] > 0 and box is not None:
            places[annotation['id']] = annotation['image_id'], len(record['annotations'])
            record['annotations'].append(
                dict(bbox=box, category_id=annotation['category_id'], annotated=annotation['id'] in labelled)
            )
    for action in actions:
        roles = np.asarray(action['role_object_id']).reshape(len(action['role_name']), -1)
        labels, persons = _integers(action['label']), _integers(action['ann_id'])
        if not len(labels) == len(persons) == roles.shape[1]:
            raise ValueError(f"'{source}': the lists of action '{action['action_name']}' differ in length.")
        for k in np.flatnonzero(np.array(labels) == 1):
            person = places.get(persons[k])
            if person is None:
                continue
            image_id, human = person
            for role, ids in list(zip(action['role_name'], roles, strict=True))[1:] or [(None, None)]:
                target = (image_id, -1) if role is None or ids[k] == 0 else places.get(int(ids[k]), (image_id, -1))
                if target[0] != image_id:
                    raise ValueError(f"'{source}': annotation {ids[k]} stands in another image than its person.")
                records[image_id]['hoi_annotation'].append(
                    dict(subject_id=human, object_id=target[1], category_id=verbs[action['action_name'], role])
                )
    return list(records.values())


def _verb_ids(
    actions: Sequence[Mapping[str, Any]], vocabulary: HOIVocabulary, source: str
) -> dict[tuple[str, str | None], int]:
    """File id of the verb of every action and role."""
    table = dict(zip(vocabulary.verb_names, vocabulary.verb_ids, strict=True))
    verbs = {}
    for action in actions:
        for role in action['role_name'][1:] or [None]:
            name = action['action_name'] + (f'_{role}' if role else '')
            if name not in table:
                raise ValueError(f"'{source}': '{name}' is no verb of the vocabulary '{vocabulary.name}'.")
            verbs[action['action_name'], role] = table[name]
    return verbs


def _check_actions(actions: Any, source: str) -> None:
    if (
        not isinstance(actions, list)
        or not actions
        or not all(isinstance(a, dict) and 'action_name' in a for a in actions)
    ):
        raise ValueError(f"'{source}' is not V-COCO's release: it must be a list of actions with `action_name`.")


def _integers(values: Any) -> list[int]:
    """The numbers of a list. Some lists of the release are nested once."""
    array = np.asarray(values).reshape(-1)
    if array.dtype.kind not in 'iu' and not (array.dtype.kind == 'f' and (array == array.astype(np.int64)).all()):
        raise ValueError('a list of whole numbers holds something else')
    return array.astype(np.int64).tolist()


def _clean_box(box: Sequence[float], width: int, height: int) -> list[float] | None:
    """Converts a COCO box to xyxy and cleans it like ``vsrl_eval.py``. None if nothing is left."""
    x1, y1 = box[0], box[1]
    x2, y2 = x1 + max(0.0, box[2] - 1.0), y1 + max(0.0, box[3] - 1.0)
    x1, x2 = (min(width - 1.0, max(0.0, x)) for x in (x1, x2))
    y1, y2 = (min(height - 1.0, max(0.0, y)) for y in (y1, y2))
    return [x1, y1, x2, y2] if x2 > x1 and y2 > y1 else None
