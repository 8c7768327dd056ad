"""Detection format of V-COCO's ``vsrl_eval.py``: a pickled list with one dict per detected person."""

import pickle
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from ...datasets.formats.safe_pickle import load_numpy_pickle
from ...datasets.records import show
from ...files import names_file, new_file
from ...structures import Triplets, zeros_to_no_object
from ...vocabulary import HOIVocabulary, action_slots
from ..functional.vcoco import VCOCODetections
from .image_index import ImageIndex


def write_vcoco_pickle(
    path: str | Path, dets: Triplets | VCOCODetections, images: Sequence[Mapping], vocabulary: HOIVocabulary
) -> None:
    """Writes detections in the format of ``vsrl_eval.py``.

    Actions and roles without detection get the score NaN, which ``vsrl_eval.py`` ignores.

    Args:
        path (str | Path): The file. Missing folders are created.
        dets (Triplets | VCOCODetections): Detections. Triplets are of (action, role) classes.
        images (Sequence[Mapping]): ``file_name`` and ``img_id`` of each image of the split.
        vocabulary (HOIVocabulary): V-COCO's vocabulary.
    """
    verbs, (actions, slots) = vocabulary.verb_names, action_slots(vocabulary)
    if isinstance(dets, Triplets):
        dets = VCOCODetections.from_triplets(dets, slots)
    ids = ImageIndex(images).ids
    nan = float('nan')
    empty: dict[str, Any] = {f'{name}_agent': nan for name in actions}
    empty |= {name: [nan] * 5 for name, (_, slot) in zip(verbs, slots, strict=True) if slot is not None}
    heads = [dict(image_id=ids[i], person_box=box) for i, box in zip(dets.images.tolist(), dets.boxes.tolist())]
    people = [{**head, **empty} for head in heads]
    for i, action, score in zip(dets.agent_persons.tolist(), dets.agent_actions, dets.agent_scores.tolist()):
        people[i][f'{actions[action]}_agent'] = score
    rows = np.column_stack([dets.role_boxes, dets.role_scores]).tolist()
    for i, label, row in zip(dets.role_persons.tolist(), dets.role_labels, rows):
        if np.isnan(people[i][verbs[label]][4]):
            people[i][verbs[label]] = row
        else:  # a second detection of the same role: a person of its own, without agent scores
            people.append({**heads[i], **empty, verbs[label]: row})
    with new_file(path) as file:
        pickle.dump(people, file, protocol=2)


def read_vcoco_pickle(
    path: str | Path, images: Sequence[Mapping[str, Any]], vocabulary: HOIVocabulary
) -> tuple[VCOCODetections, int, int]:
    """Reads detections in the format of ``vsrl_eval.py`` without running code from the pickle.

    The arguments are those of :func:`write_vcoco_pickle`.

    Returns:
        tuple[VCOCODetections, int, int]: The detections, the number of images without detections, and the number of detected
        persons in images outside the split, which are ignored as in ``vsrl_eval.py``.

    Raises:
        FileNotFoundError: If the file is missing.
        ValueError: If the file has other content than plain containers and numpy arrays, or a person lacks a key or has a
            value of another type.
    """
    verbs, (actions, slots) = vocabulary.verb_names, action_slots(vocabulary)
    people = load_numpy_pickle(path)
    if not isinstance(people, list) or not all(isinstance(person, dict) for person in people):
        raise ValueError(f"'{path}' must hold a list with one dict per detected person.")
    index = ImageIndex(images)
    labels = [i for i, (_, slot) in enumerate(slots) if slot is not None]
    found = [index.by_id(_image_id(path, i, person)) for i, person in enumerate(people)]
    positions = [position for position in found if position is not None]
    keep = [person for person, position in zip(people, found, strict=True) if position is not None]
    with names_file(path, 'write it again'):
        boxes = _table(path, keep, ['person_box'], 4)[:, 0]
        roles = _table(path, keep, [verbs[i] for i in labels], 5)
        agents = _table(path, keep, [f'{name}_agent' for name in actions], 1)
    n = len(keep)
    dets = VCOCODetections(
        images=np.array(positions, dtype=np.int64),
        boxes=boxes,
        role_persons=np.repeat(np.arange(n), len(labels)),
        role_labels=np.tile(labels, n),
        role_boxes=zeros_to_no_object(roles[..., :4].reshape(-1, 4)),
        role_scores=roles[..., 4].reshape(-1),
        agent_persons=np.repeat(np.arange(n), len(actions)),
        agent_actions=np.tile(np.arange(len(actions)), n),
        agent_scores=agents.reshape(-1),
    )
    return dets, len(index) - len(set(positions)), len(people) - n


def _image_id(path: str | Path, number: int, person: Mapping[str, Any]) -> int:
    if 'image_id' not in person:
        raise ValueError(f"'{path}', person {number}: `image_id` is missing.")
    value = person['image_id']
    with suppress(TypeError, ValueError, OverflowError):
        if int(value) == value:
            return int(value)
    raise ValueError(f"'{path}', person {number}: `image_id` must be a whole number, not {show(value)}.")


def _table(path: str | Path, people: list[dict], keys: Sequence[str], width: int) -> np.ndarray:
    """Values of the keys, (people, keys, width) float32. NaN: not detected."""
    table = np.empty((len(people), len(keys), width), dtype=np.float32)
    for k, key in enumerate(keys):
        try:
            table[:, k] = _rows(people, key, width)
        except (KeyError, TypeError, ValueError, OverflowError):
            for person in people:  # names the one whose values cannot be read
                where = f"'{path}', person in image {person['image_id']}"
                if key not in person:
                    raise ValueError(f'{where}: `{key}` is missing.') from None
                try:
                    _rows([person], key, width)
                except (TypeError, ValueError, OverflowError):
                    message = f'{where}: `{key}` must be {width} number(s), not {show(person[key])}.'
                    raise ValueError(message) from None
            raise
    return table


def _rows(people: list[dict], key: str, width: int) -> np.ndarray:
    """(people, width) of the values under a key."""
    rows = np.array([person[key] for person in people], dtype=np.float64).reshape(len(people), width)
    if (np.abs(rows) > np.finfo(np.float32).max).any():
        raise ValueError('infinite, or too large')
    return rows
