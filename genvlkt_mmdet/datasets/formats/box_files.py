"""Import of boxes from CVAT or COCO, with the interactions in a CSV file or, for CVAT, in attributes."""

import csv
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...files import names_file
from ...vocabulary import HOIVocabulary
from ..records import is_finite, show
from .json_file import load_json
from .label_studio import PERSON

_COLUMNS = ('image', 'human', 'verb', 'object')
_VERBS = 'verbs'
# A file of 10 million boxes has about 2 GB.
_MAX_BYTES = 2**31


@dataclass
class _Image:
    name: str
    width: int
    height: int
    boxes: list[tuple[str, list[float]]] = field(default_factory=list)  # label and xyxy pixels
    places: dict[str, int] = field(default_factory=dict)  # index of each box by its id
    groups: list[tuple[str, list[str]]] = field(default_factory=list)  # group and verbs of each box


def read_cvat(path: str | Path, vocabulary: HOIVocabulary, pairs: str | Path | None = None) -> list[dict]:
    """Reads an export of CVAT in the format 'CVAT for images 1.1' (XML).

    Without ``pairs``, the interactions come from groups and an attribute ``verbs``: in a group with one person, the attribute of
    every other box names what the person does with it, and that of the person's box what the person does without an object.
    Several verbs are separated by commas.

    Args:
        path (str | Path): The XML file.
        vocabulary (HOIVocabulary): The classes. The labels of the boxes are its object names.
        pairs (str | Path, optional): CSV file of :func:`read_pairs`. The id of a box is its number in the image, from 1, in the
            order of the file.

    Returns:
        list[dict]: A record for each image, in the layout of the documented JSON.

    Raises:
        FileNotFoundError: If a file is missing.
        ValueError: If a file has another format, or an annotation cannot be converted.
    """
    # Not at the top: only this function needs it.
    from defusedxml.common import DefusedXmlException
    from defusedxml.ElementTree import ParseError, parse

    if Path(path).stat().st_size > _MAX_BYTES:
        raise ValueError(f"'{path}' is larger than {_MAX_BYTES:,} bytes: export fewer images at a time.")
    with names_file(path, "export it from CVAT in the format 'CVAT for images 1.1'"):
        try:
            root = parse(path).getroot()
        except (ParseError, DefusedXmlException) as error:
            raise ValueError(f'it is no valid XML: {error}') from None
        if root.tag != 'annotations' or root.find('image') is None:
            raise ValueError('it has no images')
        images = [_cvat_image(element) for element in root.iter('image')]
        records = _records(images, vocabulary)
        if pairs is None:
            for image in images:
                _add(records, images, _triplets_of_groups(image, str(path)), vocabulary)
    if pairs is not None:
        with names_file(pairs, 'compare it with the boxes'):
            _add(records, images, read_pairs(pairs), vocabulary)
    return records


def read_coco_pairs(path: str | Path, vocabulary: HOIVocabulary, pairs: str | Path) -> list[dict]:
    """Reads boxes in COCO's detection format with interactions from a CSV file.

    Args:
        path (str | Path): JSON file with ``images``, ``annotations`` and ``categories``. The names of the categories are the
            object names of the vocabulary. ``x2 = x + width``.
        vocabulary (HOIVocabulary): The classes.
        pairs (str | Path): CSV file of :func:`read_pairs`. The id of a box is the ``id`` of its annotation.

    Returns:
        list[dict]: As for :func:`read_cvat`.

    Raises:
        FileNotFoundError: If a file is missing.
        ValueError: As for :func:`read_cvat`.
    """
    data = load_json(path)
    with names_file(path, 'give boxes in the detection format of COCO'):
        labels = {category['id']: category['name'] for category in data['categories']}
        images = {i['id']: _Image(i['file_name'], i['width'], i['height']) for i in data['images']}
        for annotation in data['annotations']:
            if annotation['image_id'] not in images or annotation['category_id'] not in labels:
                raise ValueError(f'box {show(annotation["id"])} has an image or a category that is not in the file')
            x, y, width, height = (_finite(v) for v in annotation['bbox'])
            image = images[annotation['image_id']]
            image.places[str(annotation['id'])] = len(image.boxes)
            image.boxes.append((labels[annotation['category_id']], [x, y, x + width, y + height]))
        records = _records(images.values(), vocabulary)
    with names_file(pairs, 'compare it with the boxes'):
        _add(records, images.values(), read_pairs(pairs), vocabulary)
    return records


def read_pairs(path: str | Path) -> Iterator[tuple[str, str, str, str]]:
    """Reads interactions between boxes from a CSV file with the columns ``image, human, verb, object``.

    ``image`` is a file name, ``human`` and ``object`` are ids of boxes of this image. ``object`` is empty if the verb needs none.

    Args:
        path (str | Path): The file, in UTF-8.

    Yields:
        tuple[str, str, str, str]: Image, id of the person's box, verb, and id of the object's box or ''.

    Raises:
        FileNotFoundError: If the file is missing.
        ValueError: If a column is missing or a line lacks a value.
    """
    advice = f'write a CSV file with the columns {", ".join(_COLUMNS)}, in UTF-8'
    with names_file(path, advice), open(path, encoding='utf-8-sig', newline='') as file:
        rows = csv.DictReader(file, strict=True)
        try:
            missing = [column for column in _COLUMNS if column not in (rows.fieldnames or ())]
            if missing:
                raise ValueError(f'it has no column {missing[0]!r}')
            for row in rows:
                image, human, verb, obj = ((row[column] or '').strip() for column in _COLUMNS)
                if not (image and human and verb):
                    raise ValueError(f'line {rows.line_num} has no image, human or verb')
                yield image, human, verb, obj
        except csv.Error as error:
            raise ValueError(f'line {rows.line_num}: {error}') from None


def _cvat_image(element: Any) -> _Image:
    image = _Image(element.attrib['name'], int(element.attrib['width']), int(element.attrib['height']))
    for number, box in enumerate(element.findall('box'), 1):
        if float(box.get('rotation', 0)):
            raise ValueError(f"a box of image '{image.name}' is rotated, which detectors have no boxes for")
        image.places[str(number)] = len(image.boxes)
        corners = [_finite(float(box.attrib[key])) for key in ('xtl', 'ytl', 'xbr', 'ybr')]
        image.boxes.append((box.attrib['label'], corners))
        verbs = [a.text or '' for a in box.findall('attribute') if a.get('name') == _VERBS]
        names = [name for name in re.split(r'\s*,\s*', ','.join(verbs).strip()) if name]
        image.groups.append((box.get('group_id', ''), names))
    return image


def _triplets_of_groups(image: _Image, source: str) -> Iterator[tuple[str, str, str, str]]:
    ids = list(image.places)
    for i, (group, verbs) in enumerate(image.groups):
        label = image.boxes[i][0]
        if not verbs:
            continue
        if label == PERSON:
            for verb in verbs:
                yield image.name, ids[i], verb, ''
            continue
        same = [k for k, (other, _) in enumerate(image.groups) if group and other == group]
        persons = [k for k in same if image.boxes[k][0] == PERSON]
        if len(persons) != 1:
            raise ValueError(
                f"'{source}', image '{image.name}': box {ids[i]} ({label}) has verbs, but its group has {len(persons)} persons: "
                'put it into a group with one person.'
            )
        for verb in verbs:
            yield image.name, ids[persons[0]], verb, ids[i]


def _records(images: Iterable[_Image], vocabulary: HOIVocabulary) -> list[dict]:
    records, names = [], set()
    for image in images:
        if image.name in names:
            raise ValueError(f"it has the image '{image.name}' twice")
        names.add(image.name)
        boxes = []
        for label, box in image.boxes:
            index = _index(vocabulary.object_names, label, 'object class', vocabulary)
            boxes.append(dict(bbox=box, category_id=vocabulary.object_ids[index]))
        size = dict(width=image.width, height=image.height)
        records.append(dict(file_name=image.name, **size, annotations=boxes, hoi_annotation=[]))
    return records


def _add(
    records: list[dict],
    images: Iterable[_Image],
    triplets: Iterable[tuple[str, str, str, str]],
    vocabulary: HOIVocabulary,
) -> None:
    """Adds triplets of :func:`read_pairs` to the records of their images."""
    known = {image.name: (image, record) for image, record in zip(images, records, strict=True)}
    for name, human, verb, obj in triplets:
        if name not in known:
            raise ValueError(f"'{name}' has an interaction, but no boxes")
        image, record = known[name]
        for box in filter(None, (human, obj)):
            if box not in image.places:
                raise ValueError(f"'{name}' has no box {box!r}, but an interaction with it")
        if image.boxes[image.places[human]][0] != PERSON:
            raise ValueError(f"'{name}' has box {human!r} as human, but it is no {PERSON}")
        hoi = dict(
            subject_id=image.places[human],
            object_id=image.places[obj] if obj else -1,
            category_id=vocabulary.verb_ids[_index(vocabulary.verb_names, verb, 'verb', vocabulary)],
        )
        if hoi not in record['hoi_annotation']:
            record['hoi_annotation'].append(hoi)


def _index(names: tuple[str, ...], name: str, kind: str, vocabulary: HOIVocabulary) -> int:
    if name not in names:
        raise ValueError(f"{show(name)} is no {kind} of the vocabulary '{vocabulary.name}'")
    return names.index(name)


def _finite(value: Any) -> float:
    if not is_finite(value):
        raise ValueError(f'a box has {show(value)} instead of a number')
    return value
