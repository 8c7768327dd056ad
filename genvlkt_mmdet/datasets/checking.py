"""Checks of a dataset."""

import io
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ..plotting import new_figure, save_figure
from ..progress import progress_bar
from ..text_table import text_table
from ..vocabulary import HOIVocabulary
from .records import FileIds, image_name, is_box_index, leaves_folder, show, structure_problems

#: Kinds of findings that training or evaluation refuses or skips. All others are remarks.
ERRORS = (
    'field missing or of another type',
    'file name leaves the image folder',
    'image annotated twice',
    'object id out of range',
    'verb id out of range',
    'HOI id out of range',
    'pair index out of range',
    'image missing',
    'image does not decode',
    'image size differs from the annotation',
    'box inverted or empty',
    'box outside the image',
)
REMARKS = (
    'box reaches over the edge of the image',
    'human of a pair is no person',
    'HOI class does not match verb and object',
    'verb and object form no HOI class',
    'box annotated twice',
    'triplet annotated twice',
    'file name used twice',
    'img_id used twice',
    'image without pairs',
)


@dataclass
class DatasetFindings:
    """Findings of :func:`check_dataset`.

    Attributes:
        counts (dict[str, int]): Numbers of images, boxes, triplets, pairs and HOI classes with a triplet.
        findings (dict[str, list[str]]): For each kind of finding (see :data:`ERRORS` and :data:`REMARKS`), one text per case.
            It starts with the file name.
        hoi_counts (np.ndarray): (A) triplets of each HOI class.
        verb_counts (np.ndarray): (V) triplets of each verb.
        object_counts (np.ndarray): (O) boxes of each object class.
    """

    counts: dict[str, int]
    findings: dict[str, list[str]]
    hoi_counts: np.ndarray
    verb_counts: np.ndarray
    object_counts: np.ndarray
    vocabulary: HOIVocabulary = field(repr=False)

    @property
    def num_errors(self) -> int:
        """Number of findings that are errors."""
        return sum(len(self.findings.get(kind, ())) for kind in ERRORS)

    def to_dict(self) -> dict[str, Any]:
        """Converts the findings to plain dictionaries and lists, with class names."""
        return dict(
            counts=self.counts,
            findings=self.findings,
            hois={self.vocabulary.phrase(k): int(n) for k, n in enumerate(self.hoi_counts)},
            verbs=dict(zip(self.vocabulary.verb_names, self.verb_counts.tolist(), strict=True)),
            objects=dict(zip(self.vocabulary.object_names, self.object_counts.tolist(), strict=True)),
        )

    def to_text(self, examples: int = 3, classes: int = 10) -> str:
        """Formats the findings as text.

        Args:
            examples (int): Maximum number of cases per kind of finding. Default: 3.
            classes (int): Number of the most and of the least frequent HOI classes to list. Default: 10.
        """
        lines = [text_table(list(self.counts), [[str(count) for count in self.counts.values()]])]
        for title, kinds in (('Errors', ERRORS), ('Remarks', REMARKS)):
            found = [kind for kind in kinds if kind in self.findings]
            lines += ['', f'{title}: none' if not found else f'{title}:']
            for kind in found:
                cases = self.findings[kind]
                lines.append(f'{len(cases):>8}  {kind}')
                lines += [f'            {case}' for case in cases[:examples]]
                if len(cases) > examples:
                    lines.append(f'            ... and {len(cases) - examples} more')
        order = np.argsort(-self.hoi_counts, kind='stable')
        shown = order if len(order) <= 2 * classes else [*order[:classes], None, *order[-classes:]]
        top = max(int(self.hoi_counts.max(initial=0)), 1)
        rows = []
        for k in shown:
            count = 0 if k is None else int(self.hoi_counts[k])
            bar = '#' * round(40 * count / top)
            rows.append(['...', '', ''] if k is None else [self.vocabulary.phrase(int(k)), str(count), bar])
        lines += ['', text_table(['HOI class', 'triplets', ''], rows)]
        return '\n'.join(lines)

    def plot(self, path: str | Path) -> None:
        """Draws a histogram of the triplets per HOI class on a logarithmic axis. Classes without triplets are marked.

        Args:
            path (str | Path): Image file to write. Its ending gives the format; PNG without one.

        Raises:
            ValueError: If the format is unknown.
            OSError: If the file cannot be written.
        """
        order = np.argsort(-self.hoi_counts, kind='stable')
        counts = self.hoi_counts[order]
        few = len(order) <= 60
        figure = new_figure(max(7, 0.24 * len(order)) if few else 12, 5.5)
        axes = figure.add_subplot()
        rare = np.isin(order, self.vocabulary.rare)
        style = dict(width=0.9 if few else 1, linewidth=0, antialiased=few)
        for chosen, color, label in (
            (~rare, '#3b6fb6', 'HOI classes'),
            (rare, '#d8622b', 'rare classes of the benchmark'),
        ):
            if chosen.any():
                axes.bar(np.flatnonzero(chosen), counts[chosen], color=color, label=label, **style)
        absent = np.flatnonzero(counts == 0)
        if len(absent):
            axes.scatter(absent, np.full(len(absent), 0.7), marker='x', s=14, color='#b00020', label='no triplet')
        axes.set_yscale('log')
        axes.set_ylim(0.5, max(counts.max(initial=1) * 1.6, 10))
        axes.set_xlim(-1, len(order))
        axes.set_ylabel('triplets')
        axes.set_title(f'{self.vocabulary.name}: {int(counts.sum())} triplets of {int((counts > 0).sum())} HOI classes')
        if few:
            axes.set_xticks(
                range(len(order)), [_short(self.vocabulary, int(k)) for k in order], rotation=90, fontsize=8
            )
        else:
            axes.set_xlabel('HOI classes, most frequent first')
        axes.legend(loc='upper right', frameon=False)
        save_figure(figure, path, dpi=110)


def _short(vocabulary: HOIVocabulary, hoi: int) -> str:
    obj = vocabulary.hoi_objects[hoi]
    name = vocabulary.object_names[obj] if obj < vocabulary.num_objects else ''
    return f'{vocabulary.verb_phrases[vocabulary.hoi_verbs[hoi]]} {name}'.strip()


def check_dataset(
    records: Sequence[dict],
    vocabulary: HOIVocabulary,
    image_folder: str | Path | None = None,
    decode: bool = False,
    progress: bool = False,
) -> DatasetFindings:
    """Finds everything in a dataset that makes training or evaluation fail, skip data or give wrong numbers.

    Args:
        records (Sequence[dict]): Records of :func:`genvlkt_mmdet.datasets.formats.read_annotations`.
        vocabulary (HOIVocabulary): Vocabulary of the dataset.
        image_folder (str | Path, optional): Folder of the images. None: images are not checked.
        decode (bool): Whether to decode images. Otherwise, only their headers are read. Default: False.
        progress (bool): Whether to show a progress bar. Default: False.

    Raises:
        FileNotFoundError: If the folder of images is missing.
    """
    if image_folder is not None and not Path(image_folder).is_dir():
        raise FileNotFoundError(f"The image folder '{image_folder}' does not exist: check its path.")
    check = _Check(vocabulary)
    with progress_bar('Checking', len(records), progress) as advance:
        for i, record in enumerate(records):
            if check.record(record, i) and image_folder is not None:
                check.image(record, Path(image_folder) / record['file_name'], decode)
            advance(1)
    return check.result(len(records))


class _Check:
    def __init__(self, vocabulary: HOIVocabulary) -> None:
        self.vocabulary = vocabulary
        self.ids = FileIds(vocabulary)
        self.person = vocabulary.object_names.index('person') if 'person' in vocabulary.object_names else None
        self.findings: dict[str, list[str]] = {}
        self.totals: Counter = Counter()
        self.hoi_counts = np.zeros(vocabulary.num_hois, dtype=np.int64)
        self.verb_counts = np.zeros(vocabulary.num_verbs, dtype=np.int64)
        self.object_counts = np.zeros(vocabulary.num_objects, dtype=np.int64)
        self.names: set[str] = set()
        self.numbers: dict[int, str] = {}
        self.images: set[tuple[int, str]] = set()

    def add(self, kind: str, name: str, detail: str = '') -> None:
        self.findings.setdefault(kind, []).append(f'{name}: {detail}' if detail else name)

    def look_up(self, find: Callable, file_id: Any, kind: str, name: str, what: str) -> int | None:
        """Index of an id in the vocabulary. An unknown id becomes a finding."""
        try:
            return find(file_id)
        except ValueError:
            self.add(kind, name, f'{what} {show(file_id)}')
            return None

    def record(self, record: dict, index: int) -> bool:
        """Checks a record. Returns whether its image can be checked."""
        name = image_name(record, f'image number {index}')
        problems = list(structure_problems(record))
        for problem in problems:
            self.add('field missing or of another type', name, problem)
        if problems:
            return False
        number = record.get('img_id', index)
        if (number, name) in self.images:
            self.add('image annotated twice', name, f'img_id {number}')
        elif name in self.names:
            self.add('file name used twice', name)
        elif number in self.numbers:
            self.add('img_id used twice', name, f'{number}, as {self.numbers[number]}')
        self.images.add((number, name))
        self.names.add(name)
        self.numbers.setdefault(number, name)
        labels = self.boxes(record, name)
        self.pairs(record, name, labels)
        for hoi_id in record.get('image_hois', ()):
            self.look_up(self.ids.hoi, hoi_id, 'HOI id out of range', name, 'image_hois names')
        if record.get('error'):  # of a result, see `rows_to_records`
            self.add('image does not decode', name, record['error'])
            return False
        if leaves_folder(name):
            self.add('file name leaves the image folder', name)
            return False
        return True

    def boxes(self, record: dict, name: str) -> list[int | None]:
        labels, known = [], set()
        for k, annotation in enumerate(record['annotations']):
            self.totals['boxes'] += 1
            box, category = annotation['bbox'], annotation['category_id']
            label = self.look_up(self.ids.object, category, 'object id out of range', name, f'box {k} has category_id')
            labels.append(label)
            if label is not None:
                self.object_counts[label] += 1
            x1, y1, x2, y2 = box
            if not (np.isfinite(box).all() and x2 > x1 and y2 > y1):
                self.add('box inverted or empty', name, f'box {k} is {box}')
            elif 'width' in record and 'height' in record:
                w, h = record['width'], record['height']
                if x1 >= w or y1 >= h or x2 <= 0 or y2 <= 0:
                    self.add('box outside the image', name, f'box {k} is {box} in {w} x {h}')
                elif x1 < 0 or y1 < 0 or x2 > w or y2 > h:
                    self.add('box reaches over the edge of the image', name, f'box {k} is {box} in {w} x {h}')
            if (label, *box) in known:
                self.add('box annotated twice', name, f'box {k}')
            known.add((label, *box))
        return labels

    def pairs(self, record: dict, name: str, labels: list[int | None]) -> None:
        known, pairs = set(), set()
        for k, hoi in enumerate(record['hoi_annotation']):
            self.totals['triplets'] += 1
            human, obj, hoi_id = hoi['subject_id'], hoi['object_id'], hoi.get('hoi_category_id')
            verb_id = hoi['category_id']
            verb = self.look_up(self.ids.verb, verb_id, 'verb id out of range', name, f'pair {k} has category_id')
            if verb is not None:
                self.verb_counts[verb] += 1
            ends = ('subject_id', human, False), ('object_id', obj, self.vocabulary.has_no_object)
            for what, index, may_lack in ends:
                if not is_box_index(index, len(labels), may_lack):
                    detail = f'pair {k} has {what} {show(index)}, of {len(labels)} boxes'
                    self.add('pair index out of range', name, detail)
                    break
            else:
                pairs.add((human, obj))
                if labels[human] is not None and labels[human] != self.person:
                    self.add('human of a pair is no person', name, f'pair {k}, box {human}')
                label = labels[obj] if obj >= 0 else self.vocabulary.no_object
                index = self.hoi(name, k, hoi_id, verb, label)
                if (human, obj, verb, index) in known:
                    self.add('triplet annotated twice', name, f'pair {k}')
                known.add((human, obj, verb, index))
        self.totals['pairs'] += len(pairs)
        if not record['hoi_annotation']:
            self.add('image without pairs', name)

    def hoi(self, name: str, k: int, hoi_id: Any, verb: int | None, label: int | None) -> int | None:
        expected = None if verb is None or label is None else self.ids.hoi_of(verb, label)
        if hoi_id is None:
            if expected is None and verb is not None and label is not None:
                self.add('verb and object form no HOI class', name, f'pair {k}')
            index = expected
        else:
            index = self.look_up(self.ids.hoi, hoi_id, 'HOI id out of range', name, f'pair {k} has hoi_category_id')
            if index is not None and index != expected:
                detail = f'pair {k} says {self.vocabulary.phrase(index)!r}'
                self.add('HOI class does not match verb and object', name, detail)
        if index is not None:
            self.hoi_counts[index] += 1
        return index

    def image(self, record: dict, path: Path, decode: bool) -> None:
        name = record['file_name']
        if not path.is_file():
            self.add('image missing', name, str(path))
            return
        try:
            with Image.open(io.BytesIO(path.read_bytes()) if decode else path) as image:
                size = image.size
                if decode:
                    image.load()
        except (OSError, ValueError, SyntaxError) as error:  # PIL raises these for damaged files
            self.add('image does not decode', name, str(error).splitlines()[0] if str(error) else type(error).__name__)
            return
        if 'width' in record and 'height' in record and size != (record['width'], record['height']):
            detail = f'{size[0]} x {size[1]} instead of {record["width"]} x {record["height"]}'
            self.add('image size differs from the annotation', name, detail)

    def result(self, num_images: int) -> DatasetFindings:
        totals = {what: self.totals[what] for what in ('boxes', 'triplets', 'pairs')}
        counts = dict(images=num_images, **totals, hoi_classes=int((self.hoi_counts > 0).sum()))
        return DatasetFindings(
            counts, self.findings, self.hoi_counts, self.verb_counts, self.object_counts, self.vocabulary
        )
