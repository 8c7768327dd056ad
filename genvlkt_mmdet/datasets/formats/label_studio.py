"""Label Studio: labelling configuration, import of annotations, export of predictions as pre-annotations.

Label Studio has boxes in percent of the image, and labelled relations between boxes. A relation from a person to an object is
an interaction; its labels are the verbs. A verb without object is a choice that belongs to the box of the person.
"""

import re
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from xml.etree import ElementTree

import numpy as np

from ...files import names_file
from ...structures import box_iou
from ...vocabulary import HOIVocabulary
from ..records import FileIds, is_finite, show
from .json_file import load_json

PERSON = 'person'
# Names of the tags in the labelling configuration, which the results refer to.
_IMAGE, _BOXES, _ACTIONS = 'image', 'boxes', 'actions'
# Imported coordinates are rounded to this number of decimals. Converting to percent and back changes a coordinate by less than a
# billionth of a pixel, so that the rounded value returns exactly.
_DECIMALS = 6
# Random letters that Label Studio puts before the name of an uploaded file.
_UPLOAD_PREFIX = re.compile(r'^[0-9a-f]{8}-')


def label_studio_config(vocabulary: HOIVocabulary) -> str:
    """Writes the labelling configuration of a vocabulary, to be pasted into the settings of a Label Studio project.

    Args:
        vocabulary (HOIVocabulary): The classes. Its objects become box labels, its verbs relation labels. Verbs that need no
            object become choices of a person's box.

    Returns:
        str: XML.

    Raises:
        ValueError: If the vocabulary has no object class 'person'.
    """
    _need_person(vocabulary)
    view = ElementTree.Element('View')
    relations = ElementTree.SubElement(view, 'Relations')
    with_object, without = _verbs(vocabulary)
    for verb in with_object:
        ElementTree.SubElement(relations, 'Relation', value=verb)
    ElementTree.SubElement(view, 'Image', name=_IMAGE, value=f'${_IMAGE}', zoom='true')
    boxes = ElementTree.SubElement(view, 'RectangleLabels', name=_BOXES, toName=_IMAGE, canRotate='false')
    for name in vocabulary.object_names:
        ElementTree.SubElement(boxes, 'Label', value=name)
    if without:
        choices = ElementTree.SubElement(
            view,
            'Choices',
            dict(name=_ACTIONS, toName=_IMAGE, perRegion='true', choice='multiple', whenTagName=_BOXES),
            whenLabelValue=PERSON,
        )
        for verb in without:
            ElementTree.SubElement(choices, 'Choice', value=verb)
    ElementTree.indent(view)
    return ElementTree.tostring(view, encoding='unicode') + '\n'


def read_label_studio(
    path: str | Path, vocabulary: HOIVocabulary, image_folder: str | Path | None = None
) -> tuple[list[dict], int]:
    """Reads an export of Label Studio (format JSON) of a project with the configuration of :func:`label_studio_config`.

    - Of several annotations of a task, the one marked as ground truth counts, else the newest. Cancelled ones do not count.
    - A relation counts from the person to the other box, whatever its direction. Between two persons, the direction counts.
    - Boxes become pixels, ``x2 = x + width``, rounded to a millionth of a pixel.

    Args:
        path (str | Path): The exported file.
        vocabulary (HOIVocabulary): The classes.
        image_folder (str | Path, optional): Folder of the images. With it, the file name of each image is the one that exists in
            this folder. None: it is the name in the task, without the letters that Label Studio puts before uploaded files.

    Returns:
        tuple[list[dict], int]: A record for each annotated image, in the layout of the documented JSON, and the number of tasks
        without annotation.

    Raises:
        ValueError: If the file is no such export, an image is missing, or an annotation cannot be converted. The message names
            the task and what to do.
    """
    _need_person(vocabulary)
    tasks = load_json(path)
    with names_file(path, "export the project of Label Studio again, in the format 'JSON'"):
        if not is_label_studio(tasks):
            raise ValueError('it is no list of tasks with annotations')
        records: list[dict] = []
        open_tasks, names, images = 0, {}, ImageNames(image_folder)
        for task in tasks:
            annotation = _chosen(task['annotations'])
            if annotation is None:
                open_tasks += 1
                continue
            where = f"'{path}', task {show(task.get('id'))}"
            record = _Task(vocabulary, where).record(task, annotation, images)
            name = record['file_name']
            if name in names:
                raise ValueError(f"{where} has the image '{name}', as task {names[name]} has: export each image once.")
            names[name] = show(task.get('id'))
            records.append(record)
    return records, open_tasks


def is_label_studio(data: Any) -> bool:
    """Whether the content of a JSON file is an export of Label Studio in its format 'JSON'."""
    return (
        isinstance(data, list)
        and bool(data)
        and all(isinstance(task, Mapping) for task in data)
        and all(isinstance(task.get('annotations'), list) and isinstance(task.get('data'), Mapping) for task in data)
    )


def label_studio_tasks(
    results: Sequence[Mapping[str, Any]],
    vocabulary: HOIVocabulary,
    address: str,
    model_version: str = 'genvlkt',
    min_confidence: float = 0.4,
    same_box_iou: float = 0.8,
) -> list[dict]:
    """Converts predictions to tasks of Label Studio with pre-annotations.

    Args:
        results (Sequence[Mapping]): For each image ``image`` (path), ``width``, ``height`` and ``hois``, as
            ``HOIResult.to_dict()`` and the JSON files of ``infer`` have them. Without ``hois``, the task has no prediction.
        vocabulary (HOIVocabulary): The classes of the labelling configuration.
        address (str): Where Label Studio finds the images: the file name of each image is added to it. For local files
            ``'/data/local-files/?d=FOLDER/'``, relative to ``LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT``.
        model_version (str): Name under which Label Studio shows the predictions.
        min_confidence (float): Triplets with a lower ``confidence``, in [0, 1], are left out. It is ``score`` - 1, at least 0.
        same_box_iou (float): Boxes of one class with at least this IoU become one box, the first of them. 1: only equal boxes.

    Returns:
        list[dict]: Tasks, to be written as JSON and imported into Label Studio. The score of a prediction is the mean confidence
        of its triplets.

    Raises:
        ValueError: If a result lacks its image or size, or a class of a triplet is not in the vocabulary.
    """
    _need_person(vocabulary)
    tasks = []
    for result in results:
        name = result.get('image')
        if not isinstance(name, str) or not name:
            raise ValueError('A result has no image file, so Label Studio cannot show it: predict from files.')
        task: dict[str, Any] = dict(data={_IMAGE: address + Path(name).name})
        if result.get('hois') is not None:
            with names_file(name, 'write the result again with `infer`'):
                task['predictions'] = [_prediction(result, vocabulary, model_version, min_confidence, same_box_iou)]
        tasks.append(task)
    return tasks


def label_studio_results(record: Mapping[str, Any], vocabulary: HOIVocabulary) -> list[dict]:
    """Converts a record to the results (boxes, relations and choices) of an annotation or prediction of Label Studio.

    Args:
        record (Mapping): A record in the layout of the documented JSON, with ``width`` and ``height``.
        vocabulary (HOIVocabulary): The classes.

    Returns:
        list[dict]: The results. From them, :func:`read_label_studio` reads the same record, rounded to a millionth of a pixel.
    """
    ids, width, height = FileIds(vocabulary), record['width'], record['height']
    common = dict(original_width=width, original_height=height, image_rotation=0, to_name=_IMAGE)
    boxes: list[dict[str, Any]] = []
    for i, annotation in enumerate(record['annotations']):
        x1, y1, x2, y2 = annotation['bbox']
        left, top, right, bottom = x1 / width * 100, y1 / height * 100, x2 / width * 100, y2 / height * 100
        value = dict(x=left, y=top, width=right - left, height=bottom - top, rotation=0)
        label = vocabulary.object_names[ids.object(annotation['category_id'])]
        value.update(rectanglelabels=[label])
        boxes.append(dict(common, id=f'box{i}', from_name=_BOXES, type='rectanglelabels', value=value))
    verbs: dict[tuple[int, int], list[str]] = {}  # of each pair of boxes
    for hoi in record['hoi_annotation']:
        name = vocabulary.verb_names[ids.verb(hoi['category_id'])]
        verbs.setdefault((hoi['subject_id'], hoi['object_id']), []).append(name)
    links: list[dict[str, Any]] = []
    for (human, obj), names in verbs.items():
        if obj >= 0:
            ends = dict(from_id=f'box{human}', to_id=f'box{obj}')
            links.append(dict(type='relation', **ends, direction='right', labels=names))
        else:
            place = {key: value for key, value in boxes[human]['value'].items() if key != 'rectanglelabels'}
            links.append(dict(boxes[human], from_name=_ACTIONS, type='choices', value=dict(place, choices=names)))
    return boxes + links


def _prediction(
    result: Mapping[str, Any], vocabulary: HOIVocabulary, version: str, min_confidence: float, same_box_iou: float
) -> dict[str, Any]:
    width, height = result['width'], result['height']
    if not (is_finite(width) and is_finite(height) and width > 0 and height > 0):
        raise ValueError(f'its size is {show(width)} x {show(height)}')
    kept = [hoi for hoi in result['hois'] if hoi['confidence'] >= min_confidence]
    boxes: list[dict] = []

    def index(name: str, box: Sequence[float]) -> int:
        box = [float(x) for x in box]
        if len(box) != 4 or not all(map(is_finite, box)):
            raise ValueError(f'it has the box {show(box)}')
        category = vocabulary.object_ids[vocabulary.object_names.index(name)]
        for i, other in enumerate(boxes):
            same = box == other['bbox'] or (same_box_iou < 1 and _iou(box, other['bbox']) >= same_box_iou)
            if same and other['category_id'] == category:
                return i
        boxes.append(dict(bbox=box, category_id=category))
        return len(boxes) - 1

    hois: list[dict] = []
    for triplet in kept:
        name, verb = triplet['object'], triplet['verb']
        try:
            vocabulary.hoi_index(verb, name)
        except KeyError as error:
            raise ValueError(f"'{result['image']}': {error.args[0]}") from None
        hoi = dict(
            subject_id=index(PERSON, triplet['human_box']),
            object_id=-1 if name is None else index(name, triplet['object_box']),
            category_id=vocabulary.verb_ids[vocabulary.verb_names.index(verb)],
        )
        if hoi not in hois:
            hois.append(hoi)
    record = dict(width=width, height=height, annotations=boxes, hoi_annotation=hois)
    score = sum(hoi['confidence'] for hoi in kept) / max(len(kept), 1)
    return dict(model_version=version, score=score, result=label_studio_results(record, vocabulary))


def _iou(box: list[float], other: list[float]) -> float:
    return float(box_iou(np.array(box), np.array(other), plus_one=False))


def _verbs(vocabulary: HOIVocabulary) -> tuple[list[str], list[str]]:
    """Names of the verbs that have classes with an object, and of those that have a class without."""
    pairs = list(zip(vocabulary.hoi_verbs, vocabulary.hoi_objects, strict=True))
    with_object = {v for v, o in pairs if o < vocabulary.num_objects}
    without = {v for v, o in pairs if o == vocabulary.no_object}
    names = vocabulary.verb_names
    return [names[v] for v in sorted(with_object)], [names[v] for v in sorted(without)]


def _need_person(vocabulary: HOIVocabulary) -> None:
    if PERSON not in vocabulary.object_names:
        raise ValueError(
            f"The vocabulary '{vocabulary.name}' has no object class '{PERSON}', which the boxes of persons need: add it."
        )


def _chosen(annotations: list) -> Mapping | None:
    """The annotation of a task that counts. None if there is none."""
    valid = [a for a in annotations if isinstance(a, Mapping) and not a.get('was_cancelled')]
    marked = [a for a in valid if a.get('ground_truth')]
    return max(marked or valid, key=lambda a: (str(a.get('created_at') or ''), _number(a.get('id'))), default=None)


def _number(value: Any) -> int:
    return value if isinstance(value, int) else 0


class _Task:
    """Converts a task to a record."""

    def __init__(self, vocabulary: HOIVocabulary, where: str) -> None:
        self.vocabulary = vocabulary
        self.where = where
        self.boxes: dict[str, int] = {}  # index of each region's box
        self.annotations: list[dict] = []
        self.hois: list[dict] = []
        self.size: tuple[int, int] | None = None

    def fail(self, what: str) -> ValueError:
        return ValueError(f'{self.where}: {what}')

    def record(self, task: Mapping, annotation: Mapping, images: 'ImageNames') -> dict:
        items = annotation.get('result')
        if not isinstance(items, list) or not all(isinstance(item, Mapping) for item in items):
            raise self.fail('its annotation has no list of results.')
        for item in items:
            if item.get('type') == 'rectanglelabels':
                self.box(item)
        for item in items:
            if item.get('type') == 'choices' and item.get('from_name') == _ACTIONS:
                self.choices(item)
            elif item.get('type') == 'relation':
                self.relation(item)
        name = self.file_name(task['data'].get(_IMAGE), images)
        size = {} if self.size is None else dict(width=self.size[0], height=self.size[1])
        return dict(file_name=name, **size, annotations=self.annotations, hoi_annotation=self.hois)

    def box(self, item: Mapping) -> None:
        value, region = item.get('value'), item.get('id')
        if not isinstance(value, Mapping) or not isinstance(region, str):
            raise self.fail('a box has no value or no id.')
        size = item.get('original_width'), item.get('original_height')
        if not all(isinstance(side, int) and not isinstance(side, bool) and 0 < side < 10**6 for side in size):
            raise self.fail('a box does not say the width and height of the image.')
        if value.get('rotation') or item.get('image_rotation'):
            raise self.fail(
                'a box or the image is rotated, which detectors have no boxes for: draw it without rotation.'
            )
        if self.size not in (None, size):
            raise self.fail(f'its boxes are of images of {self.size} and {size} pixels: annotate it again.')
        self.size = size
        numbers = [value.get(key) for key in ('x', 'y', 'width', 'height')]
        if not all(is_finite(number) for number in numbers):
            raise self.fail(f'a box has no x, y, width and height in percent, but {show(numbers)}.')
        x, y, w, h = numbers
        box = [x / 100 * size[0], y / 100 * size[1], (x + w) / 100 * size[0], (y + h) / 100 * size[1]]
        names = value.get('rectanglelabels')
        if not isinstance(names, list) or len(names) != 1:
            raise self.fail(f'a box needs one label, not {show(names)}.')
        label = self.index(self.vocabulary.object_names, names[0], 'the label of a box', 'object classes')
        self.boxes[region] = len(self.annotations)
        rounded = [round(x, _DECIMALS) + 0.0 for x in box]  # + 0.0: not -0.0
        self.annotations.append(dict(bbox=rounded, category_id=self.vocabulary.object_ids[label]))

    def choices(self, item: Mapping) -> None:
        human = self.boxes.get(item.get('id'))
        value = item.get('value')
        names = value.get('choices') if isinstance(value, Mapping) else None
        if human is None or not self.is_person(human) or not isinstance(names, list):
            raise self.fail(f'the choice {show(names)} does not belong to the box of a person.')
        for name in names:
            self.add(human, -1, name)

    def relation(self, item: Mapping) -> None:
        ends = [self.boxes.get(item.get(key)) for key in ('from_id', 'to_id')]
        if None in ends:
            raise self.fail('a relation does not connect two boxes with a label.')
        names = item.get('labels')
        if not isinstance(names, list) or not names:
            raise self.fail('a relation has no label: say what the person does, or remove it.')
        start, end = ends
        direction = item.get('direction', 'right')
        persons = [self.is_person(start), self.is_person(end)]
        if not any(persons):
            raise self.fail(f'the relation {show(names)} connects two boxes of which none is a person.')
        pairs = [(start, end), (end, start)]
        if all(persons):
            chosen = dict(right=pairs[:1], left=pairs[1:], bi=pairs).get(direction)
            if chosen is None:
                raise self.fail(f"a relation has the direction {show(direction)} instead of 'right', 'left' or 'bi'.")
        else:
            chosen = [pairs[persons.index(True)]]
        for human, obj in chosen:
            for name in names:
                self.add(human, obj, name)

    def add(self, human: int, obj: int, name: Any) -> None:
        verb = self.index(self.vocabulary.verb_names, name, 'the verb', 'verbs')
        hoi = dict(subject_id=human, object_id=obj, category_id=self.vocabulary.verb_ids[verb])
        if hoi not in self.hois:
            self.hois.append(hoi)

    def index(self, names: Sequence[str], name: Any, what: str, kind: str) -> int:
        if name not in names:
            raise self.fail(f"{what}, {show(name)}, is none of the {kind} of '{self.vocabulary.name}'.")
        return names.index(name)

    def is_person(self, box: int) -> bool:
        return (
            self.annotations[box]['category_id']
            == self.vocabulary.object_ids[self.vocabulary.object_names.index(PERSON)]
        )

    def file_name(self, address: Any, images: 'ImageNames') -> str:
        if not isinstance(address, str) or not address:
            raise self.fail(f"its data has no '{_IMAGE}', the name in our labelling configuration.")
        parts = urlsplit(address)
        local = parse_qs(parts.query).get('d') if parts.path.endswith('/local-files/') else None
        uploaded = parts.path.startswith('/data/upload/')
        path = local[0] if local else unquote(parts.path) if parts.scheme or uploaded else address
        name = None
        if uploaded:
            name = images.find(_UPLOAD_PREFIX.sub('', path.rpartition('/')[2]))
        name = name or images.find(path)
        if name is None:
            raise self.fail(f"its image {show(path)} is not in the folder '{images.folder}'.")
        return name


class ImageNames:
    """Finds the image files that annotation tools name by other paths.

    Args:
        folder (str | Path, optional): Folder of the images. None: names are not looked up.
    """

    def __init__(self, folder: str | Path | None) -> None:
        self.folder = folder

    def find(self, path: str) -> str | None:
        """File name of an image, relative to the folder.

        It is the longest end of the path that exists in the folder, else a file whose name is equal without spaces and special
        characters, which Label Studio takes away. None if there is no such file. Without a folder, it is the end of the path.
        """
        steps = [step for step in path.replace('\\', '/').split('/') if step not in ('', '.', '..')]
        if self.folder is None or not steps:
            return steps[-1] if steps else None
        for i in range(len(steps)):
            name = '/'.join(steps[i:])
            if Path(self.folder, name).is_file():
                return name
        return self._plain_names.get(_plain(steps[-1]))

    @cached_property
    def _plain_names(self) -> dict[str, str]:
        return {_plain(file.name): file.name for file in sorted(Path(self.folder or '.').iterdir()) if file.is_file()}


def _plain(name: str) -> str:
    return re.sub(r'[^-\w.]', '', name.strip().replace(' ', '_'))
