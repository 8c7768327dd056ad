"""The HICO-DET evaluation, equal to the official Matlab program, and the Python variant of QPIC and GEN-VLKT."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, get_args

import numpy as np

from ...structures import Triplets, box_iou, has_object
from .average_precision import (
    MATLAB_THRESHOLDS,
    NUMPY_THRESHOLDS,
    eleven_point_ap,
    mean_ap,
    none_if_nan,
    precision_recall,
)
from .matching import best_matches, first_claims, ranking

Protocol = Literal['official', 'qpic']
PROTOCOLS: tuple[Protocol, ...] = get_args(Protocol)


@dataclass(frozen=True, eq=False)
class HICOResult:
    """Results of every HOI class in one mode (Default or Known Object).

    Attributes:
        ap (np.ndarray): (A,) average precision in [0, 1]. For a class without ground truth it is 0 with the official
            protocol, which averages over all classes, and NaN with 'qpic', which ignores the class.
        max_recall (np.ndarray): (A,) recall after all detections. Without ground truth as for ``ap``.
        num_gt (np.ndarray): (A,) number of annotated triplets.
        num_det (np.ndarray): (A,) number of detections that count in this mode.
        num_tp (np.ndarray): (A,) number of true positives.
    """

    ap: np.ndarray
    max_recall: np.ndarray
    num_gt: np.ndarray
    num_det: np.ndarray
    num_tp: np.ndarray

    def mean_ap(self, classes: Sequence[int] | np.ndarray | None = None) -> float:
        """Mean AP of the given classes. None: all classes. NaN if no class counts."""
        return mean_ap(self.ap if classes is None else self.ap[np.asarray(classes, dtype=np.int64)])

    @property
    def mean_max_recall(self) -> float:
        """float: Mean of the classes' maximal recalls."""
        return mean_ap(self.max_recall)


def evaluate_hico(
    dets: Triplets,
    gts: Triplets,
    num_classes: int,
    protocol: Protocol = 'official',
    known_objects: np.ndarray | None = None,
    hoi_objects: Sequence[int] | None = None,
    iou_threshold: float = 0.5,
) -> tuple[HICOResult, HICOResult | None]:
    """Evaluates detections of a whole split, Default and Known Object at once.

    1. Detections of a class are ranked by score over all images. Equal scores keep the order of the images, then their own.
    2. The overlap of two pairs is the smaller IoU of human and object. A detection is compared with the annotated triplet of
       its image and class that it overlaps most.
    3. It is correct if the overlap reaches the threshold and no better detection was matched with that triplet.
    4. Known Object repeats this for each class on the images that contain its object.

    Args:
        dets (Triplets): Detections with scores. An object box of NaN means 'no object'.
        gts (Triplets): Ground truth, one triplet per class of a pair.
        num_classes (int): Number A of HOI classes.
        protocol (str): 'official' follows the Matlab program. 'qpic' follows the evaluator that the authors'
            repositories run in training: boxes that share a border only do not overlap, recall thresholds are
            ``np.arange(0, 1.1, 0.1)``, and classes without ground truth do not count.
        known_objects (np.ndarray, optional): (images, objects) bool, whether the image contains the object, e.g. from
            :func:`known_object_images`. None: no Known Object.
        hoi_objects (Sequence[int], optional): (A,) object of each HOI class, needed with ``known_objects``. A larger index
            than the last column means 'no object'; such a class is evaluated on all images.
        iou_threshold (float): Smallest IoU of a match. Default: 0.5.

    Returns:
        tuple[HICOResult, HICOResult | None]: Default and, with ``known_objects``, Known Object.

    Raises:
        ValueError: If the protocol is unknown, the detections have no scores, or ``hoi_objects`` is missing.
    """
    if protocol not in PROTOCOLS:
        raise ValueError(f"Unknown protocol '{protocol}': choose one of {', '.join(PROTOCOLS)}.")

    def overlap(det: np.ndarray, gt: np.ndarray) -> np.ndarray:
        smaller = box_overlap(dets.human_boxes[det], gts.human_boxes[gt], protocol)
        # If the persons overlap too little, the objects cannot change the result.
        near = np.flatnonzero(smaller >= iou_threshold)
        objects = box_overlap(dets.object_boxes[det[near]], gts.object_boxes[gt[near]], protocol)
        smaller[near] = np.minimum(smaller[near], objects)
        return smaller

    best, best_overlap = best_matches(
        dets.images * num_classes + dets.labels, gts.images * num_classes + gts.labels, overlap
    )
    order = ranking(dets.labels, dets.detection_scores, dets.images)
    correct = first_claims(np.where(best_overlap >= iou_threshold, best, -1)[order])
    labels = dets.labels[order]
    num_gt = np.bincount(gts.labels, minlength=num_classes)
    official = protocol == 'official'
    average_precision = partial(eleven_point_ap, thresholds=MATLAB_THRESHOLDS if official else NUMPY_THRESHOLDS)
    without_gt = 0.0 if official else np.nan
    default = per_class(labels, correct, num_gt, average_precision, without_gt)
    if known_objects is None:
        return default, None
    if hoi_objects is None:
        raise ValueError('Known Object needs `hoi_objects`, the object of each HOI class.')
    # A detection on an image without the object matches nothing. Leaving it out does not change the other matches.
    columns = np.ones((len(known_objects), max(hoi_objects, default=0) + 1), dtype=bool)
    columns[:, : known_objects.shape[1]] = known_objects[:, : columns.shape[1]]
    counts = columns[dets.images[order], np.asarray(hoi_objects)[labels]]
    return default, per_class(labels[counts], correct[counts], num_gt, average_precision, without_gt)


def summarize_hico(
    dets: Triplets,
    gts: Triplets,
    num_images: int,
    hoi_objects: Sequence[int],
    num_objects: int,
    rare: Sequence[int] | np.ndarray = (),
    non_rare: Sequence[int] | np.ndarray = (),
    unseen: Sequence[int] | None = None,
    protocol: Protocol = 'official',
    image_hois: tuple[np.ndarray, np.ndarray] | None = None,
) -> dict[str, dict]:
    """Evaluates a split and returns all its numbers as plain dictionaries and lists.

    Args:
        dets (Triplets): Detections, see :func:`evaluate_hico`.
        gts (Triplets): Ground truth.
        num_images (int): Number of images of the split.
        hoi_objects (Sequence[int]): (A,) object of each HOI class. ``num_objects`` means 'no object'.
        num_objects (int): Number of objects.
        rare (Sequence[int] | np.ndarray): Classes with few training instances.
        non_rare (Sequence[int] | np.ndarray): The others. If both are empty, the result has no Rare and Non-rare.
        unseen (Sequence[int], optional): Unseen classes of a zero-shot split.
        protocol (str): See :func:`evaluate_hico`.
        image_hois (tuple[np.ndarray, np.ndarray], optional): Image and HOI class of every image-level label, for Known
            Object. Default: those of ``gts``.

    Returns:
        dict[str, dict]: ``default`` and ``known_object``, each with ``full``, ``rare``, ``non_rare``,
        ``mean_max_recall``, ``ap`` (A values) and ``num_gt`` (A counts), and, with ``unseen``, ``zero_shot`` with
        ``unseen``, ``seen`` and ``full`` of Default. All in [0, 1]. None if no class counts.
    """
    num_classes = len(hoi_objects)
    known = known_object_images(*(image_hois or (gts.images, gts.labels)), hoi_objects, num_images, num_objects)
    default, known_object = evaluate_hico(dets, gts, num_classes, protocol, known, hoi_objects)
    assert known_object is not None  # `known` asks for it
    summary: dict[str, dict] = {}
    for name, result in (('default', default), ('known_object', known_object)):
        groups = dict(full=None, rare=rare, non_rare=non_rare) if len(rare) or len(non_rare) else dict(full=None)
        summary[name] = dict(
            _means(result, **groups),
            mean_max_recall=none_if_nan(result.mean_max_recall),
            ap=[none_if_nan(value) for value in result.ap],
            num_gt=result.num_gt.tolist(),
        )
    if unseen is not None:
        seen = np.setdiff1d(np.arange(num_classes), np.asarray(unseen, dtype=np.int64))
        summary['zero_shot'] = _means(default, unseen=unseen, seen=seen, full=None)
    return summary


def known_object_images(
    images: np.ndarray, hois: np.ndarray, hoi_objects: Sequence[int], num_images: int, num_objects: int
) -> np.ndarray:
    """Finds the objects of each image from image-level HOI labels.

    Args:
        images (np.ndarray): (n,) image index of each label.
        hois (np.ndarray): (n,) HOI class of each label.
        hoi_objects (Sequence[int]): (A,) object of each HOI class. ``num_objects`` or more means 'no object'.
        num_images (int): Number of images.
        num_objects (int): Number of objects.

    Returns:
        np.ndarray: (num_images, num_objects) bool.
    """
    table = np.zeros((num_images, num_objects), dtype=bool)
    objects = np.asarray(hoi_objects, dtype=np.int64)[hois]
    exists = objects < num_objects
    table[images[exists], objects[exists]] = True
    return table


def box_overlap(boxes1: np.ndarray, boxes2: np.ndarray, protocol: Protocol) -> np.ndarray:
    """Element-wise IoU (n,) of boxes (n, 4). It is 1 for two missing boxes (NaN), and 0 if only one is missing."""
    overlap = box_iou(boxes1, boxes2)
    if protocol == 'qpic':
        lower = np.maximum(boxes1[:, :2], boxes2[:, :2])
        upper = np.minimum(boxes1[:, 2:], boxes2[:, 2:])
        overlap[(lower >= upper).any(-1)] = 0
    missing = np.isnan(overlap)
    if missing.any():
        overlap[missing] = ~(has_object(boxes1[missing]) | has_object(boxes2[missing]))
    return overlap


def _means(result: HICOResult, **groups: Sequence[int] | np.ndarray | None) -> dict[str, Any]:
    return {name: none_if_nan(result.mean_ap(classes)) for name, classes in groups.items()}


def per_class(
    labels: np.ndarray,
    correct: np.ndarray,
    num_gt: np.ndarray,
    average_precision: Callable[[np.ndarray, np.ndarray], float],
    without_gt: float,
) -> HICOResult:
    """Results of each class, see :func:`precision_recall`. ``without_gt`` is the result of a class without ground truth."""
    ap = np.full(len(num_gt), without_gt)
    num_det, num_tp = (np.bincount(part, minlength=len(num_gt)) for part in (labels, labels[correct]))
    max_recall = np.divide(num_tp, num_gt, out=ap.copy(), where=num_gt > 0)
    for i, recall, precision in precision_recall(labels, correct, num_gt):
        ap[i] = average_precision(recall, precision)
    return HICOResult(ap, max_recall, num_gt, num_det, num_tp)
