"""Merges nearly identical boxes, which result from annotating each class separately."""

from collections.abc import Hashable, Sequence

import numpy as np

from ...structures import box_iou


def merge_boxes(
    boxes: np.ndarray, labels: Sequence[int], triplets: Sequence[tuple[int, int, Hashable]], iou_thr: float
) -> np.ndarray:
    """Finds boxes of the same person or object that were annotated several times.

    HICO-DET's release has separate boxes for each HOI class. In the order of the file, each box is merged with the earlier box
    of the largest overlap, if

    - their IoU (with the +1 convention) is at least ``iou_thr``,
    - they have the same class and the same role (human or object of a pair),
    - no HOI class has both, because each instance was annotated once per class.

    The earliest box of a group represents it.

    Args:
        boxes (np.ndarray): (N, 4) xyxy pixels.
        labels (Sequence[int]): N class indices.
        triplets (Sequence[tuple[int, int, Hashable]]): Human box, object box (-1 for none) and class of every
            annotated triplet. The class can be any value that identifies the HOI class.
        iou_thr (float): IoU threshold, 0 to 1.

    Returns:
        np.ndarray: (N) index of the box that represents each box. For most boxes, this is the box itself.
    """
    classes: list[set[tuple[str, Hashable]]] = [set() for _ in boxes]  # classes and roles of each box
    for human, obj, hoi in triplets:
        classes[human].add(('human', hoi))
        if obj >= 0:
            classes[obj].add(('object', hoi))
    kinds = [(label, frozenset(role for role, _ in known)) for label, known in zip(labels, classes)]
    overlaps = box_iou(boxes[:, None], boxes[None])
    target = np.arange(len(boxes))
    taken: dict[int, set[tuple[str, Hashable]]] = {}  # classes and roles of each group, by its first box
    for i, known in enumerate(classes):
        candidates = [
            first
            for first, group in taken.items()
            if overlaps[first, i] >= iou_thr and kinds[first] == kinds[i] and not known & group
        ]
        if candidates:
            target[i] = max(candidates, key=lambda first: overlaps[first, i])
            taken[target[i]] |= known
        else:
            taken[i] = set(known)
    return target


def merge_record(record: dict, iou_thr: float = 0.5) -> dict:
    """Merges nearly identical boxes of a record.

    Args:
        record (dict): A record of the documented JSON, 0-based xyxy boxes.
        iou_thr (float): See :func:`merge_boxes`.

    Returns:
        dict: A new record with the remaining boxes and without repeated triplets.
    """
    boxes = np.array([a['bbox'] for a in record['annotations']], dtype=np.float64).reshape(-1, 4)
    labels = [a['category_id'] for a in record['annotations']]
    hois = record['hoi_annotation']
    classes = [(h['subject_id'], h['object_id'], (h['category_id'], h.get('hoi_category_id'))) for h in hois]
    target = merge_boxes(boxes, labels, classes, iou_thr)
    kept = np.flatnonzero(target == np.arange(len(boxes)))
    place = {int(k): i for i, k in enumerate(kept)}
    merged = {}
    for hoi in hois:
        human = place[int(target[hoi['subject_id']])]
        obj = place[int(target[hoi['object_id']])] if hoi['object_id'] >= 0 else -1
        triplet = {**hoi, 'subject_id': human, 'object_id': obj}
        merged.setdefault(tuple(sorted(triplet.items())), triplet)
    annotations = [record['annotations'][k] for k in kept]
    return {**record, 'annotations': annotations, 'hoi_annotation': list(merged.values())}
