"""The HICO-DET evaluation as a plain loop over detections, as in the official programs: reference for the tests."""

from collections.abc import Sequence

import numpy as np

from genvlkt_mmdet.structures import Triplets


def plain_hico(
    dets: Triplets,
    gts: Triplets,
    num_classes: int,
    known_objects: np.ndarray | None = None,
    hoi_objects: Sequence[int] | None = None,
) -> list[float]:
    """AP of every class, detection by detection.

    Args:
        dets (Triplets): Detections.
        gts (Triplets): Ground truth.
        num_classes (int): Number of HOI classes.
        known_objects (np.ndarray, optional): (images, objects) bool; counts, class by class, only the images with the
            class's object. All images by default.
        hoi_objects (Sequence[int], optional): Object of each class, with ``known_objects``.

    Returns:
        list[float]: The AP of each class; 0 without ground truth.
    """
    gt_of: dict[tuple[int, int], list[tuple]] = {}
    num_gt = [0] * num_classes
    for image, label, human, obj in zip(
        gts.images.tolist(), gts.labels.tolist(), gts.human_boxes.tolist(), gts.object_boxes.tolist()
    ):
        gt_of.setdefault((image, label), []).append((human, obj))
        num_gt[label] += 1
    det_of: list[list[tuple]] = [[] for _ in range(num_classes)]
    for image, label, human, obj, score in zip(
        dets.images.tolist(),
        dets.labels.tolist(),
        dets.human_boxes.tolist(),
        dets.object_boxes.tolist(),
        dets.scores.tolist(),
    ):
        if known_objects is None or known_objects[image, hoi_objects[label]]:
            det_of[label].append((score, image, human, obj))
    aps = []
    for label in range(num_classes):
        claimed = set()
        correct = []
        for _, image, human, obj in sorted(det_of[label], key=lambda det: -det[0]):
            best, best_overlap = -1, -1.0
            for i, (gt_human, gt_obj) in enumerate(gt_of.get((image, label), ())):
                overlap = min(_iou(human, gt_human), _iou(obj, gt_obj))
                if overlap > best_overlap:
                    best, best_overlap = i, overlap
            right = best_overlap >= 0.5 and (image, best) not in claimed
            if right:
                claimed.add((image, best))
            correct.append(right)
        aps.append(_average_precision(correct, num_gt[label]))
    return aps


def _iou(a: list[float], b: list[float]) -> float:
    width = min(a[2], b[2]) - max(a[0], b[0]) + 1
    height = min(a[3], b[3]) - max(a[1], b[1]) + 1
    if width <= 0 or height <= 0:
        return 0.0
    area_a = (a[2] - a[0] + 1) * (a[3] - a[1] + 1)
    area_b = (b[2] - b[0] + 1) * (b[3] - b[1] + 1)
    return width * height / (area_a + area_b - width * height)


def _average_precision(correct: list[bool], num_gt: int) -> float:
    if num_gt == 0:
        return 0.0
    recalls, precisions, hits = [], [], 0
    for rank, right in enumerate(correct, 1):
        hits += right
        recalls.append(hits / num_gt)
        precisions.append(hits / rank)
    total = 0.0
    for threshold in (0.0, 0.1, 0.2, 3 * 0.1, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0):
        total += max((p for r, p in zip(recalls, precisions) if r >= threshold), default=0.0)
    return total / 11
