"""Merging of the near-identical boxes that class-wise annotation leaves behind."""

from collections.abc import Sequence

import numpy as np


def merge_boxes(
    boxes: np.ndarray, labels: Sequence[int], pairs: Sequence[tuple[int, int]], iou_thr: float
) -> tuple[np.ndarray, np.ndarray]:
    """Merges boxes of one class that overlap highly, as training on class-wise annotation needs it.

    HICO-DET's release draws every person and object anew for each HOI class. In file order, each box joins the first
    earlier box of its class and role (human or object of a pair) that overlaps it at least ``iou_thr``. Joining by role
    keeps apart the two persons of a person-person pair. The first box stands for all of them.

    Args:
        boxes (np.ndarray): (N, 4) xyxy pixels.
        labels (Sequence[int]): N class indices.
        pairs (Sequence[tuple[int, int]]): Human and object box index of every triplet; -1 for no object.
        iou_thr (float): IoU from which on boxes count as one.

    Returns:
        tuple[np.ndarray, np.ndarray]: The boxes, unchanged, and (N) the index of the box that stands for each.
    """
    role = np.zeros(len(boxes), dtype=np.int64)  # bit 1: human of a pair, bit 2: object of a pair
    for human, obj in pairs:
        role[human] |= 1
        if obj >= 0:
            role[obj] |= 2
    labels = np.asarray(labels, dtype=np.int64)
    apart = {frozenset(pair) for pair in pairs if pair[1] >= 0}
    overlaps = pairwise_iou(boxes, boxes)
    target = np.arange(len(boxes))
    members: dict[int, list[int]] = {}
    for i in range(len(boxes)):
        for first, group in members.items():
            same = labels[first] == labels[i] and role[first] == role[i] and overlaps[first, i] >= iou_thr
            if same and not any(frozenset((i, j)) in apart for j in group):
                target[i] = first
                group.append(i)
                break
        else:
            members[i] = [i]
    return boxes, target


def pairwise_iou(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """IoU of all pairs of boxes, in continuous coordinates.

    Args:
        a (np.ndarray): (N, 4) xyxy.
        b (np.ndarray): (M, 4) xyxy.

    Returns:
        np.ndarray: (N, M), in [0, 1]; 0 where both boxes are empty.
    """
    top_left = np.maximum(a[:, None, :2], b[None, :, :2])
    bottom_right = np.minimum(a[:, None, 2:], b[None, :, 2:])
    inter = np.clip(bottom_right - top_left, 0, None).prod(axis=2)
    area_a = (a[:, 2:] - a[:, :2]).prod(axis=1)
    area_b = (b[:, 2:] - b[:, :2]).prod(axis=1)
    union = area_a[:, None] + area_b[None] - inter
    return np.divide(inter, union, out=np.zeros_like(inter), where=union > 0)
