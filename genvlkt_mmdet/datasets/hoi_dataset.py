"""Base class of all datasets of human-object interactions."""

import logging
import os.path as osp
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from mmdet.datasets import BaseDetDataset
from mmdet.registry import DATASETS
from mmengine.dataset.base_dataset import force_full_init
from mmengine.logging import print_log

from ..structures import GroundTruth, Triplets
from ..vocabulary import HOIVocabulary, load_vocabulary
from .formats import read_annotations
from .formats.merge import merge_boxes
from .potential_pairs import PotentialPairRule, PotentialPairs, read_potential_pairs
from .records import FileIds, image_name, is_box_index, leaves_folder, show, structure_problems


@DATASETS.register_module()
class HOIDataset(BaseDetDataset):
    """Images with human-object pairs.

    Reads the annotation files of :func:`genvlkt_mmdet.datasets.formats.read_annotations`. Custom data needs no
    subclass: a vocabulary file and an annotation file in the documented layout are enough.

    In training (``test_mode=False``):

    - Images without pairs are left out.
    - Boxes are clipped to the image, if the file has its size.
    - Boxes that are inverted or outside the image are skipped with their pairs.
    - Nearly identical boxes of one pair are merged, if the file has separate boxes for every triplet.

    In testing, every image is kept, and ``eval_gt`` is the annotation as it is.

    An item before the pipeline has ``img_path, img_id, height, width`` (if the file has sizes), ``instances``,
    ``pairs`` (``human_ids`` (n), ``object_ids`` (n), -1 for none, both indices in ``instances``, ``object_labels`` (n)
    and ``hoi_labels`` (n, A) multi-hot float32) and, in test mode, ``eval_gt``, a
    :class:`GroundTruth` in pixels of the original image.

    Args:
        *args: Arguments of :class:`mmdet.datasets.BaseDetDataset`.
        vocabulary (str | dict | HOIVocabulary): Vocabulary, see :func:`load_vocabulary`. None: the default of the
            class.
        zero_shot (str, optional): Zero-shot split of the vocabulary. In training, pairs with an unseen HOI are dropped,
            and labels have only the seen classes (Sec. 4.3 of the paper). In testing, labels have all classes.
        potential_pairs (Mapping, optional): In training with a zero-shot split, unannotated pairs that a detector has found and
            CLIP has named are trained too, see :class:`.potential_pairs.PotentialPairRule`. Labels then have all classes.
            ``file``: the file of the pairs, below ``data_root``, which ``genvlkt data potential`` makes. ``rule``:
            arguments of the rule that differ from its defaults. The other entries say how the file is made, see
            :class:`genvlkt_mmdet.apis.PotentialPairFinder`. None: no such pairs, as in the paper.
        pair_index (str): What to do with a pair that points to no box. ``'error'``: raise an error. ``'drop_image'``:
            leave the image out of training, as the authors' code does, or only the pair in testing, with a warning
            that has the count.
        merge_iou (float, optional): IoU threshold for merging boxes of one object class in training, 0 to 1. Boxes of the
            same HOI class are not merged (see :func:`.formats.merge.merge_boxes`). None: 0.5 if the file has separate
            boxes for each HOI class (UPT / PViC, the HICO-DET release), otherwise no merging. 0: no merging.
        max_boxes (int, optional): Maximum number of boxes per image in training. Further boxes are dropped with their
            pairs. (The authors use the number of queries.) None: no limit.
        fraction (float): Share of the images to train on, more than 0 and at most 1, chosen among all images of the annotation
            file. A smaller fraction is a part of every larger one with the same seed. Default: 1, all.
        fraction_seed (int): Seed of that choice. Default: 0.
        outside_files (bool): Whether a ``file_name`` may be outside the image folder (an absolute path, or ``..``). By
            default it is refused, so that an untrusted annotation file cannot read other files.
        **kwargs: Further arguments of :class:`mmdet.datasets.BaseDetDataset`.

    Raises:
        FileNotFoundError: If the annotation file is missing.
        ValueError: If its content has an unknown format, is empty, inconsistent, or does not match the vocabulary. In
            testing, also if an image occurs twice.
    """

    default_vocabulary: str | None = None
    dataset_name = 'hoi'
    #: What to do about a missing file, for the error message.
    missing_hint = 'check `data_root` and `ann_file` in the dataset config'

    def __init__(
        self,
        *args: Any,
        vocabulary: str | Mapping | HOIVocabulary | None = None,
        zero_shot: str | None = None,
        potential_pairs: Mapping[str, Any] | None = None,
        pair_index: str = 'error',
        merge_iou: float | None = None,
        max_boxes: int | None = None,
        fraction: float = 1.0,
        fraction_seed: int = 0,
        outside_files: bool = False,
        **kwargs: Any,
    ) -> None:
        if pair_index not in ('error', 'drop_image'):
            raise ValueError(f"pair_index must be 'error' or 'drop_image', not '{pair_index}'.")
        if merge_iou is not None and not 0 <= merge_iou <= 1:
            raise ValueError(f'merge_iou must be from 0 to 1, not {merge_iou}.')
        if max_boxes is not None and not max_boxes > 0:
            raise ValueError(f'max_boxes must be at least 1, not {max_boxes}.')
        if not 0 < fraction <= 1:
            raise ValueError(f'fraction must be more than 0 and at most 1, not {fraction}.')
        if fraction < 1 and kwargs.get('test_mode', False):
            raise ValueError('fraction is for training: an evaluation on a part of the images would not compare.')
        source = self.default_vocabulary if vocabulary is None else vocabulary
        if source is None:
            raise ValueError(f'{type(self).__name__} needs `vocabulary`: a shipped name or a vocabulary file.')
        self.vocabulary = load_vocabulary(source)
        self.zero_shot = zero_shot
        self.seen = self.vocabulary.seen(zero_shot)
        if potential_pairs is not None and zero_shot is None:
            raise ValueError('potential_pairs needs `zero_shot`: without unseen classes, all pairs are annotated.')
        self.potential_pairs = None if potential_pairs is None else dict(potential_pairs)
        self.pair_index = pair_index
        self.merge_iou = merge_iou
        self.max_boxes = max_boxes
        self.fraction = fraction
        self.fraction_seed = fraction_seed
        self.outside_files = outside_files
        self.family = 'qpic'
        self.reader_options: dict[str, Any] = {}
        self.skipped: Counter = Counter()
        self._file_ids = FileIds(self.vocabulary)
        super().__init__(*args, **kwargs)

    @property
    def metainfo(self) -> dict:
        """``dataset_name``, ``classes``, ``vocabulary`` (:class:`HOIVocabulary`), ``zero_shot``, and those of the config."""
        # Not mmengine's `metainfo` argument, because it takes every string for the name of a file first.
        return (
            dict(
                dataset_name=self.dataset_name,
                classes=tuple(self.vocabulary.object_names),
                vocabulary=self.vocabulary,
                zero_shot=self.zero_shot,
            )
            | super().metainfo
        )

    @property
    def num_labels(self) -> int:
        """Number of HOI classes in ``hoi_labels`` of an item."""
        return len(self._columns)

    @cached_property
    def _columns(self) -> dict[int, int]:
        """Column in ``hoi_labels`` of each HOI class."""
        hois = range(self.vocabulary.num_hois) if self.test_mode or self.potential_pairs else self.seen
        return {hoi: column for column, hoi in enumerate(hois)}

    def prepare(self) -> None:
        """Called before the annotation file is read. A dataset that can create its files does so here."""

    def check_files(self) -> None:
        """Raises FileNotFoundError if the annotation file or the image folder is missing. Does not read them."""
        self.prepare()
        self._need_annotations()
        self._need_potential_pairs()
        folder = self.image_folder
        if folder and '://' not in folder and not osp.isdir(folder):
            raise FileNotFoundError(f"Image folder '{folder}' of {self._title} is missing: {self.missing_hint}.")

    @property
    def image_folder(self) -> str:
        """str: Folder of the images."""
        return self.data_prefix.get('img', self.data_prefix.get('img_path', ''))

    def _need_annotations(self) -> None:
        if not osp.isfile(self.ann_file):
            raise FileNotFoundError(
                f"Annotation file '{self.ann_file}' of {self._title} is missing: {self.missing_hint}."
            )

    def _need_potential_pairs(self) -> None:
        if self.potential_pairs and not self.test_mode and not self.potential_pairs_file.is_file():
            raise FileNotFoundError(
                f"File '{self.potential_pairs_file}' with the potential pairs of {self._title} is missing: make it with "
                '`genvlkt data potential`.'
            )

    def load_records(self) -> list[dict]:
        """Reads the annotation file. Returns one record per image, in the layout of the documented JSON."""
        self._need_annotations()
        records, self.family = read_annotations(self.ann_file, self.vocabulary, **self.reader_options)
        return records

    def load_data_list(self) -> list[dict]:
        """Reads, checks and converts the annotations of all images, see the class."""
        self.prepare()
        records = self.load_records()
        if not records:
            raise ValueError(f"'{self.ann_file}' holds no image.")
        self.skipped.clear()
        chosen = self._chosen(len(records))
        items = [self.parse_data_info(records[i], i) for i in chosen]
        if self.test_mode:
            counts = Counter((item['img_id'], item['img_path']) for item in items)
            for (img_id, path), count in counts.items():
                if count > 1:
                    raise ValueError(
                        f"'{self.ann_file}' names image '{path}' with img_id {img_id} {count} times: join its entries, "
                        'so that it is evaluated once.'
                    )
        elif self.potential_pairs:
            self._add_potential_pairs(items, [records[i]['file_name'] for i in chosen])
        return items

    def _chosen(self, total: int) -> list[int]:
        """Positions of the images to read, in order. Those of a fraction are the first ones of a random order."""
        if self.fraction == 1:
            return list(range(total))
        order = np.random.default_rng(self.fraction_seed).permutation(total)
        return sorted(order[: max(1, round(self.fraction * total))].tolist())

    @property
    def potential_pairs_file(self) -> Path:
        """Path: File of the potential pairs."""
        return Path(self.data_root or '') / self.potential_pairs['file']

    @property
    def potential_pairs_settings(self) -> dict[str, Any]:
        """dict: What the file of the potential pairs must have been made with."""
        return {key: value for key, value in self.potential_pairs.items() if key not in ('file', 'rule')}

    def _add_potential_pairs(self, items: list[dict], names: list[str]) -> None:
        """Adds potential pairs to the pairs of the images, behind the annotated ones."""
        path, num_hois = self.potential_pairs_file, self.vocabulary.num_hois
        self._need_potential_pairs()
        known = read_potential_pairs(path, num_hois, self.potential_pairs_settings)
        rule = PotentialPairRule(**self.potential_pairs.get('rule', {}))
        images = []
        for item, name in zip(items, names, strict=True):
            boxes = np.array([x['bbox'] for x in item['instances']], dtype=np.float32).reshape(-1, 4)
            with_object = item['pairs']['object_ids'] >= 0
            humans, objects = (boxes[item['pairs'][key][with_object]] for key in ('human_ids', 'object_ids'))
            images.append((humans, objects, known.get(name, PotentialPairs.none(num_hois))))
        unseen = self.vocabulary.unseen(self.zero_shot)
        for item, (found, labels) in zip(items, rule.select(images, unseen), strict=True):
            _append_pairs(item, found, labels, self.vocabulary.object_names.index('person'))

    def filter_data(self) -> list[dict]:
        """Removes images without pairs. Keeps all with ``test_mode`` or ``filter_cfg=dict(filter_empty_gt=False)``."""
        data_list = self.data_list
        if not self.test_mode and (self.filter_cfg or {}).get('filter_empty_gt', True):
            data_list = [data for data in data_list if len(data['pairs']['human_ids'])]
            if not data_list:
                raise ValueError(
                    f"'{self.ann_file}' has no image with a pair to train on"
                    + (f" once the unseen classes of '{self.zero_shot}' are dropped." if self.zero_shot else '.')
                )
            if len(data_list) < len(self.data_list):
                self.skipped['images without pairs'] = len(self.data_list) - len(data_list)
        self._log_skipped()
        return data_list

    def parse_data_info(self, raw_data_info: dict, index: int = 0) -> dict:
        """Converts one record.

        Args:
            raw_data_info (dict): The record.
            index (int): Its position in the file.

        Returns:
            dict: The image, see the class. ``pairs['hoi_positions']`` (k, 2) are the places of ones in the later ``hoi_labels``.

        Raises:
            ValueError: If an id or an index is out of range, or a field is missing or of another type.
        """
        try:
            return self._parse(raw_data_info, index)
        except ValueError as error:
            name = image_name(raw_data_info, f'number {index}')
            raise ValueError(f"'{self.ann_file}', image '{name}': {error}") from None

    def _parse(self, record: dict, index: int) -> dict:
        for problem in structure_problems(record):
            raise ValueError(problem)
        file_name = record['file_name']
        if leaves_folder(file_name) and not self.outside_files:
            raise ValueError('`file_name` leaves the image folder; if you mean it, set `outside_files=True`.')
        boxes = np.array([a['bbox'] for a in record['annotations']], dtype=np.float32).reshape(-1, 4)
        labels = [self._file_ids.object(a['category_id']) for a in record['annotations']]
        hois = [
            (hoi['subject_id'], hoi['object_id'], self._file_ids.verb(hoi['category_id']), hoi.get('hoi_category_id'))
            for hoi in record['hoi_annotation']
        ]
        if self.test_mode and not np.isfinite(boxes).all():
            k = int(np.flatnonzero(~np.isfinite(boxes).all(axis=1))[0])
            raise ValueError(f'box {k} holds NaN or infinity, so it cannot be evaluated.')
        data = dict(img_path=osp.join(self.image_folder, file_name), img_id=record.get('img_id', index))
        if 'width' in record and 'height' in record:
            data.update(height=int(record['height']), width=int(record['width']))
        triplets, intact = self._triplets(labels, hois)
        if self.test_mode:
            repeats = self._instances(boxes, labels, triplets) != np.arange(len(boxes))
            data['eval_gt'] = replace(self.make_eval_gt(record, boxes, labels, triplets), box_repeats=repeats)
        elif not intact:
            triplets = []
        keep = np.ones(len(boxes), dtype=bool)
        if not self.test_mode:
            boxes, triplets, keep = self._clean(boxes, labels, triplets, data)
        data['instances'] = [
            dict(bbox=box, bbox_label=label, ignore_flag=0)
            for box, label, kept in zip(boxes.tolist(), labels, keep, strict=True)
            if kept
        ]
        place = np.where(keep, np.cumsum(keep) - 1, -1)
        triplets = [(int(place[h]), int(place[o]) if o >= 0 else -1, v, c) for h, o, v, c in triplets]
        data['pairs'] = self._pairs(triplets, [instance['bbox_label'] for instance in data['instances']])
        return data

    def make_eval_gt(
        self, record: dict, boxes: np.ndarray, labels: list[int], triplets: list[tuple[int, int, int, int | None]]
    ) -> GroundTruth:
        """Ground truth of one image for the metric.

        Args:
            record (dict): The record in the file.
            boxes (np.ndarray): (N, 4) boxes, xyxy pixels of the original image.
            labels (list[int]): N object indices.
            triplets (list[tuple]): Human index, object index (-1: none), verb index and HOI index (None: no class)
                of every annotated triplet.

        Returns:
            GroundTruth: Triplets of HOI classes, and ``image_hois`` if the record has image-level labels.
        """
        hois = [(h, o, c) for h, o, _, c in triplets if c is not None]
        image_hois = record.get('image_hois')
        if image_hois is not None:
            image_hois = np.array([self._file_ids.hoi(i) for i in image_hois], dtype=np.int64)
        box_labels = np.array(labels, dtype=np.int64)
        return GroundTruth(make_triplets(boxes, hois), image_hois, boxes=boxes, box_labels=box_labels)

    @force_full_init
    def get_data_info(self, idx: int) -> dict:
        """Returns the item at an index before the pipeline, with multi-hot ``hoi_labels``."""
        data = super().get_data_info(idx)
        pairs = data['pairs']
        multi_hot = np.zeros((len(pairs['human_ids']), self.num_labels), dtype=np.float32)
        multi_hot[tuple(pairs.pop('hoi_positions').T)] = pairs.pop('hoi_values', 1)
        pairs['hoi_labels'] = multi_hot
        return data

    @property
    def _title(self) -> str:
        return f'{type(self).__name__} ({self.vocabulary.name})'

    def _triplets(self, labels: list[int], hois: list[tuple]) -> tuple[list[tuple], bool]:
        """Checks the indices and finds the HOI classes. Also returns whether all pairs point to boxes."""
        triplets, intact = [], True
        for k, (human, obj, verb, hoi_id) in enumerate(hois):
            ends = ((human, False), (obj, self.vocabulary.has_no_object))
            wrong = [i for i, may_lack in ends if not is_box_index(i, len(labels), may_lack)]
            if wrong:
                if self.pair_index == 'error':
                    raise ValueError(f'pair {k} names box {show(wrong[0])}, but the image has {len(labels)} boxes.')
                intact = False
                continue
            label = labels[obj] if obj >= 0 else self.vocabulary.no_object
            hoi = self._file_ids.hoi_of(verb, label) if hoi_id is None else self._file_ids.hoi(hoi_id)
            if hoi is None:
                self.skipped['triplets of no HOI class'] += 1
            triplets.append((human, obj, verb, hoi))
        if not intact:
            self.skipped['images with a pair that points to no box'] += 1
        return triplets, intact

    def _clean(self, boxes: np.ndarray, labels: list[int], triplets: list[tuple], data: dict) -> tuple:
        """Training only: clips boxes, merges nearly identical ones, and drops invalid ones with their pairs."""
        size = (data['width'], data['height']) if 'width' in data else None
        boxes, keep = clip_boxes(boxes, size)
        self.skipped['boxes that are inverted, empty or outside the image'] += int((~keep).sum())
        if self.max_boxes is not None:
            keep[self.max_boxes :] = False
        triplets = [t for t in triplets if keep[t[0]] and (t[1] < 0 or keep[t[1]])]
        target = self._instances(boxes, labels, triplets)
        keep &= target == np.arange(len(boxes))
        triplets = [(int(target[h]), int(target[o]) if o >= 0 else -1, v, c) for h, o, v, c in triplets]
        return boxes, triplets, keep

    def _instances(self, boxes: np.ndarray, labels: list[int], triplets: list[tuple]) -> np.ndarray:
        """The box, (N,), that represents each box: the first one of the same instance, if the file has several of it."""
        merge_iou = self.merge_iou
        if merge_iou is None:
            merge_iou = 0.5 if self.family in ('upt_hico', 'hico_release') else 0
        if not merge_iou:
            return np.arange(len(boxes))
        return merge_boxes(boxes, labels, [(h, o, (v, c)) for h, o, v, c in triplets], merge_iou)

    def _pairs(self, triplets: list[tuple], labels: list[int]) -> dict[str, np.ndarray]:
        """Groups triplets into pairs. Drops pairs with unseen HOIs. ``hoi_positions`` are the (k, 2) places of ones."""
        column = self._columns
        if not self.test_mode:
            seen = set(self.seen)
            unseen = {(h, o) for h, o, _, c in triplets if c is not None and c not in seen}
            self.skipped[f"pairs with an unseen HOI of '{self.zero_shot}'"] += len(unseen)
            triplets = [t for t in triplets if t[:2] not in unseen]
        pairs: dict[tuple[int, int], int] = {}
        ones = [(pairs.setdefault((h, o), len(pairs)), column[c]) for h, o, _, c in triplets if c is not None]
        ids = np.array(list(pairs), dtype=np.int64).reshape(-1, 2)
        positions = np.array(sorted(set(ones)), dtype=np.int64).reshape(-1, 2)
        object_labels = np.array([labels[o] if o >= 0 else self.vocabulary.no_object for o in ids[:, 1]], np.int64)
        return dict(human_ids=ids[:, 0], object_ids=ids[:, 1], object_labels=object_labels, hoi_positions=positions)

    def _log_skipped(self) -> None:
        """Logs what was left out, as a warning if the annotation file is faulty."""
        counts = ', '.join(f'{count} {what}' for what, count in self.skipped.items() if count)
        if counts:
            what = 'Not counted in testing' if self.test_mode else 'Left out of training'
            faulty = any(count and 'box' in what for what, count in self.skipped.items())
            print_log(
                f'{self._title}, {Path(self.ann_file).name}. {what}: {counts}.',
                logger='current',
                level=logging.WARNING if faulty else logging.INFO,
            )


def _append_pairs(item: dict, found: PotentialPairs, labels: np.ndarray, person: int) -> None:
    """Appends pairs with soft labels (n, A) to an item, and their boxes to its instances."""
    pairs, first = item['pairs'], len(item['instances'])
    for boxes, classes in ((found.human_boxes, [person] * len(found)), (found.object_boxes, found.object_labels)):
        item['instances'] += [
            dict(bbox=box, bbox_label=int(label), ignore_flag=0)
            for box, label in zip(boxes.tolist(), classes, strict=True)
        ]
    rows, columns = np.nonzero(labels)
    new = dict(
        human_ids=first + np.arange(len(found)),
        object_ids=first + len(found) + np.arange(len(found)),
        object_labels=found.object_labels,
        hoi_positions=np.stack([rows + len(pairs['human_ids']), columns], axis=1),
        hoi_values=labels[rows, columns],
    )
    pairs['hoi_values'] = np.ones(len(pairs['hoi_positions']), dtype=np.float32)
    item['pairs'] = {key: np.concatenate([pairs[key], values]) for key, values in new.items()}


def make_triplets(boxes: np.ndarray, triplets: list[tuple[int, int, int]]) -> Triplets:
    """Triplets of an image from (N, 4) boxes, and human index, object index (-1: none) and label of each triplet."""
    humans, objects, labels = np.array(triplets, dtype=np.int64).reshape(-1, 3).T
    boxes = np.append(boxes, np.full((1, 4), np.nan, boxes.dtype), axis=0)  # for the index -1
    return Triplets.of_image(boxes[humans], boxes[objects], labels)


def clip_boxes(boxes: np.ndarray, size: tuple[int, int] | None) -> tuple[np.ndarray, np.ndarray]:
    """Clips (N, 4) xyxy boxes to the width and height of the image, if known.

    Returns:
        tuple[np.ndarray, np.ndarray]: Clipped boxes (N, 4), and (N) bool, False for boxes without area or with a
        coordinate that is not finite.
    """
    finite = np.isfinite(boxes).all(axis=1)
    if size is not None:
        boxes = np.clip(boxes, 0, np.array([*size, *size], dtype=boxes.dtype))
    return boxes, finite & (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])
