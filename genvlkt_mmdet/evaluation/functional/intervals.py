"""How well interactions with a begin and an end, and the tracks of a video, match the ground truth."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...structures import box_iou


@dataclass
class BoxedInterval:
    """An interaction in a video.

    Attributes:
        label (Hashable): Its class, e.g. verb and object.
        first (int): First frame.
        last (int): Last frame.
        human_boxes (np.ndarray): (last - first + 1, 4) boxes of the person, xyxy. NaN where there is none.
        object_boxes (np.ndarray | None): The same for the object. None for an interaction without object.
        confidence (float): Predictions with a higher one are matched first.
    """

    label: Hashable
    first: int
    last: int
    human_boxes: np.ndarray
    object_boxes: np.ndarray | None = None
    confidence: float = 1.0


def time_iou(first: BoxedInterval, second: BoxedInterval) -> float:
    """Number of frames in both intervals, divided by the number of frames in any of them."""
    common = min(first.last, second.last) - max(first.first, second.first) + 1
    union = max(first.last, second.last) - min(first.first, second.first) + 1
    return max(common, 0) / union if common > 0 else 0.0


def pair_overlap(first: BoxedInterval, second: BoxedInterval) -> float:
    """Mean over the common frames of the smaller of the two IoUs, of the persons and of the objects. 0 without common frames.

    A frame in which a box is missing counts 0. The smaller IoU is that of the persons if both have no object, and 0 if one has.
    """
    begin, end = max(first.first, second.first), min(first.last, second.last) + 1
    if begin >= end or (first.object_boxes is None) != (second.object_boxes is None):
        return 0.0

    def overlaps(boxes: Any, others: Any) -> np.ndarray:
        iou = box_iou(
            boxes[begin - first.first : end - first.first], others[begin - second.first : end - second.first], False
        )
        return np.nan_to_num(iou)

    lowest = overlaps(first.human_boxes, second.human_boxes)
    if first.object_boxes is not None:
        lowest = np.minimum(lowest, overlaps(first.object_boxes, second.object_boxes))
    return float(lowest.mean())


def match_intervals(
    predicted: Sequence[BoxedInterval], annotated: Sequence[BoxedInterval], min_time: float = 0.5, min_box: float = 0.5
) -> list[int | None]:
    """Matches predicted intervals of a video with annotated ones, highest confidence first.

    Args:
        predicted (Sequence[BoxedInterval]): Predictions.
        annotated (Sequence[BoxedInterval]): Ground truth.
        min_time (float): Minimum :func:`time_iou`. Default: 0.5.
        min_box (float): Minimum :func:`pair_overlap`. Default: 0.5.

    Returns:
        list[int | None]: Index of the ground truth of each prediction. It has the same label, reaches both overlaps, and is
        matched only once. Of several, the one with the largest overlap in time is taken. None: a false positive.
    """
    matches: list[int | None] = [None] * len(predicted)
    free = set(range(len(annotated)))
    for i in sorted(range(len(predicted)), key=lambda i: -predicted[i].confidence):
        candidates = [
            j
            for j in sorted(free)
            if annotated[j].label == predicted[i].label
            and time_iou(predicted[i], annotated[j]) >= min_time
            and pair_overlap(predicted[i], annotated[j]) >= min_box
        ]
        if candidates:
            best = max(candidates, key=lambda j: time_iou(predicted[i], annotated[j]))
            matches[i] = best
            free.remove(best)
    return matches


def f1_score(num_correct: int, num_predicted: int, num_annotated: int) -> tuple[float, float, float]:
    """Precision, recall and F1, in [0, 1]. 0 where nothing is predicted or annotated.

    Examples:
        >>> from genvlkt_mmdet.evaluation.functional import f1_score
        >>> f1_score(2, 4, 2)
        (0.5, 1.0, 0.6666666666666666)
    """
    precision = num_correct / num_predicted if num_predicted else 0.0
    recall = num_correct / num_annotated if num_annotated else 0.0
    return precision, recall, 2 * num_correct / (num_predicted + num_annotated) if num_correct else 0.0


def count_id_switches(
    annotated: Sequence[tuple[np.ndarray, np.ndarray, np.ndarray]],
    predicted: Sequence[tuple[np.ndarray, np.ndarray, np.ndarray]],
    min_iou: float = 0.5,
) -> int:
    """Counts how often the track that follows a person or object changes: ID switches of the CLEAR MOT metrics.

    Args:
        annotated (Sequence[tuple]): For each frame: ids (n), class of each as a whole number (n), boxes (n, 4).
        predicted (Sequence[tuple]): The same for the predicted tracks, (m).
        min_iou (float): Minimum IoU of boxes that match. They also need the same class. Default: 0.5.

    Returns:
        int: Number of switches over all frames.

    Raises:
        ModuleNotFoundError: If the extra ``video`` is not installed.
    """
    from trackers.eval import compute_clear_metrics

    overlaps = []
    for (_, classes, boxes), (_, other_classes, other_boxes) in zip(annotated, predicted, strict=True):
        iou = box_iou(boxes[:, None], other_boxes[None], False)
        overlaps.append(np.where(classes[:, None] == other_classes[None], iou, 0.0))
    ids = [[frame[0] for frame in frames] for frames in (annotated, predicted)]
    return int(compute_clear_metrics(ids[0], ids[1], overlaps, min_iou)['IDSW'])
