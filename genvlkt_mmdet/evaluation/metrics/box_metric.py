"""Average precision of the persons and objects of the pairs."""

import io
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from mmdet.evaluation import CocoMetric
from mmdet.registry import METRICS
from mmengine.logging import print_log

from ...structures import GroundTruth
from ...text_table import text_table
from ..reporting.tables import percent
from .hoi_metric import HOIMetric

# CocoMetric's names of the figures
_ITEMS = ('mAP', 'mAP_50', 'mAP_75', 'mAP_s', 'mAP_m', 'mAP_l', 'AR@100')


@dataclass(frozen=True, eq=False)
class DetectedBoxes:
    """The boxes of an image's pairs after non-maximum suppression: ``boxes`` (n, 4), ``labels`` (n,) and ``scores`` (n,)."""

    boxes: np.ndarray
    labels: np.ndarray
    scores: np.ndarray


@METRICS.register_module()
class HOIBoxMetric(HOIMetric):
    """COCO's average precision of persons and of objects, computed by mmdet's ``CocoMetric`` (pycocotools).

    Every pair gives two detections, the person and the object with its predicted class. The score of both is the highest triplet
    score of the pair. One person is often in the pairs of several queries, so class-wise non-maximum suppression removes the
    duplicates.

    The ground truth is every annotated box of the dataset. HICO-DET and V-COCO leave out people and objects that do nothing of
    interest. A detection of one of them counts as a false positive, so precision is underestimated there. Recall is not.

    Returns ``person/mAP``, ``person/mAP_50``, ``person/mAP_75``, ``person/mAP_s``, ``person/mAP_m``, ``person/mAP_l``,
    ``person/AR@100`` and the same of ``object``, the mean over the classes other than person that are annotated. All are in
    [0, 1], with three decimals. Figures that no annotation determines are left out.

    Args:
        nms_iou (float): Two boxes of a class with a larger IoU are the same instance. Default: 0.7.
        max_per_image (int, optional): Maximum number of triplets per image whose boxes count. Default: None, no limit.
        classwise (bool): Also log the AP of every object class. Default: False.
        **kwargs: Arguments of :class:`HOIMetric`, without the results file.

    Raises:
        ValueError: If ``nms_iou`` is not in [0, 1], or a results file is asked for.
    """

    default_prefix = 'boxes'
    figures = tuple(f'{group}/{item}' for group in ('object', 'person') for item in _ITEMS)

    def __init__(
        self, nms_iou: float = 0.7, max_per_image: int | None = None, classwise: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(max_per_image=max_per_image, **kwargs)
        if not 0 <= nms_iou <= 1:
            raise ValueError(f'HOIBoxMetric: nms_iou must be from 0 to 1, not {nms_iou}.')
        if self.outfile_prefix is not None:
            raise ValueError('HOIBoxMetric has no triplets to write: give outfile_prefix to the other metric.')
        self.nms_iou = nms_iou
        self.classwise = classwise

    def make_detections(self, pred: Mapping[str, np.ndarray]) -> DetectedBoxes:
        """Converts the triplets of an image to persons and objects without duplicates."""
        from torchvision.ops import (
            batched_nms,
        )  # not at the top: most programs that import this module evaluate no boxes

        person = self._person
        boxes = np.concatenate([pred['human_boxes'], pred['object_boxes']]).astype(np.float32)
        labels = np.concatenate([np.full(len(pred['scores']), person), pred['object_labels']]).astype(np.int64)
        scores = np.tile(pred['scores'], 2).astype(np.float32)
        exists = ~np.isnan(boxes).any(axis=1)
        boxes, labels, scores = boxes[exists], labels[exists], scores[exists]
        keep = batched_nms(*map(torch.from_numpy, (boxes, scores, labels)), self.nms_iou).numpy()
        return DetectedBoxes(boxes[keep], labels[keep], scores[keep])

    @property
    def _person(self) -> int:
        names = self.vocabulary.object_names
        if 'person' not in names:
            raise ValueError(
                "HOIBoxMetric needs 'person' among the objects of the vocabulary, the class of the human boxes."
            )
        return names.index('person')

    def evaluate_images(self, entries: list[dict]) -> dict[str, float]:
        """Evaluates images, see :meth:`HOIMetric.evaluate_images`."""
        names, person = self.vocabulary.object_names, self._person
        groups = dict(person=[person], object=[label for label in range(len(names)) if label != person])
        figures = {group: self._evaluate_group(entries, labels) for group, labels in groups.items()}
        rows = [[group, *(percent(values.get(item)) for item in _ITEMS)] for group, values in figures.items()]
        print_log('\n' + text_table(['boxes (%)', *_ITEMS], rows), logger='current')
        return {f'{group}/{item}': value for group, values in figures.items() for item, value in values.items()}

    def _evaluate_group(self, entries: list[dict], labels: Sequence[int]) -> dict[str, float]:
        """Figures of the classes ``labels`` together."""
        metric = CocoMetric(metric_items=_ITEMS, classwise=self.classwise and len(labels) > 1)
        metric.dataset_meta = dict(classes=[self.vocabulary.object_names[label] for label in labels])
        place = np.full(len(self.vocabulary.object_names) + 1, -1)  # the last entry is for 'no object'
        place[list(labels)] = np.arange(len(labels))
        results = [_coco_entry(i, entry['det'], entry['gt'], place) for i, entry in enumerate(entries)]
        if not any(gt['anns'] for gt, _ in results):
            return {}
        if not any(len(result['labels']) for _, result in results):  # an error in CocoMetric
            return dict.fromkeys(('mAP', 'mAP_50', 'mAP_75', 'AR@100'), 0.0)
        with redirect_stdout(io.StringIO()):  # pycocotools prints
            values = metric.compute_metrics(results)
        names = {item: f'bbox_{item}' for item in _ITEMS}
        return {item: float(values[name]) for item, name in names.items() if values.get(name, -1) >= 0}


def _coco_entry(index: int, det: DetectedBoxes, gt: GroundTruth, place: np.ndarray) -> tuple[dict, dict]:
    """Ground truth and prediction of an image as in ``CocoMetric.process``. ``place``: index of each class; -1: left out."""
    if gt.boxes is None or gt.box_labels is None:
        raise ValueError('HOIBoxMetric needs all boxes of the ground truth: use one of the HOI datasets.')
    size = gt.boxes[:, 2:] - gt.boxes[:, :2]
    annotated = (place[gt.box_labels] >= 0) & (size > 0).all(axis=1)
    if gt.box_repeats is not None:
        annotated &= ~gt.box_repeats
    anns = [
        dict(bbox=box.tolist(), bbox_label=int(place[label]))
        for box, label in zip(gt.boxes[annotated], gt.box_labels[annotated])
    ]
    kept = place[det.labels] >= 0
    result = dict(img_id=index, bboxes=det.boxes[kept], scores=det.scores[kept], labels=place[det.labels[kept]])
    # CocoMetric writes the size of an image to its file, and uses it for masks only.
    return dict(img_id=index, width=0, height=0, anns=anns), result
