"""Matching of detections with ground truth, vectorised over a whole dataset."""

from collections.abc import Callable

import numpy as np

Overlap = Callable[[np.ndarray, np.ndarray], np.ndarray]


def best_matches(
    det_groups: np.ndarray, gt_groups: np.ndarray, overlap: Overlap, chunk: int = 1 << 15
) -> tuple[np.ndarray, np.ndarray]:
    """Finds the ground truth of the same group that overlaps each detection most.

    Of several with the same overlap it takes the first.

    Args:
        det_groups (np.ndarray): (n,) group of each detection, e.g. a number for its image and class.
        gt_groups (np.ndarray): (m,) group of each ground truth.
        overlap (Callable): Maps (p,) detection indices and (p,) ground truth indices to (p,) overlaps without NaN.
        chunk (int): Approximate number of candidate pairs in memory at a time. Small arrays stay in the cache of the
            processor. Default: 32,768.

    Returns:
        tuple[np.ndarray, np.ndarray]: (n,) index of the best ground truth and (n,) its overlap. Both are -1 if the
        group has no ground truth.
    """
    order = np.argsort(gt_groups, kind='stable')
    groups, begins, sizes = np.unique(gt_groups[order], return_index=True, return_counts=True)
    best = np.full(len(det_groups), -1, dtype=np.int64)
    best_overlap = np.full(len(det_groups), -1.0)
    if not len(groups):
        return best, best_overlap
    group = np.minimum(np.searchsorted(groups, det_groups), len(groups) - 1)
    active = np.flatnonzero(groups[group] == det_groups)
    begin, counts = begins[group[active]], sizes[group[active]]
    cuts = np.searchsorted(np.cumsum(counts), np.arange(chunk, counts.sum(), chunk), side='right')
    for part in np.split(np.arange(len(active)), cuts):
        if not len(part):
            continue
        dets, number = active[part], counts[part]
        first = np.cumsum(number) - number
        place = np.arange(number.sum())
        gts = order[np.repeat(begin[part] - first, number) + place]
        values = overlap(np.repeat(dets, number), gts)
        best_overlap[dets] = highest = np.maximum.reduceat(values, first)
        is_highest = values == np.repeat(highest, number)
        best[dets] = gts[np.minimum.reduceat(np.where(is_highest, place, len(place)), first)]
    return best, best_overlap


def first_claims(targets: np.ndarray) -> np.ndarray:
    """Marks the first candidate of every target. The (n,) targets are sorted, best candidate first. -1: no target."""
    claims = np.zeros(len(targets), dtype=bool)
    candidates = np.flatnonzero(targets >= 0)
    claims[candidates[np.unique(targets[candidates], return_index=True)[1]]] = True
    return claims


def ranking(labels: np.ndarray, scores: np.ndarray, images: np.ndarray) -> np.ndarray:
    """Indices that sort (n,) detections by class, then by descending score.

    Detections with equal scores keep the order of their images, then their own order.
    """
    order = np.arange(len(labels)) if (images[1:] >= images[:-1]).all() else np.argsort(images, kind='stable')
    # numpy uses radix sort for 16-bit integers, which is many times faster
    small = labels.astype(np.int16) if labels.max(initial=0) < 2**15 else labels
    order = order[np.argsort(small[order], kind='stable')]
    # Class by class: the scores of a class stay in the cache of the processor.
    descending = -scores[order]
    for part in np.split(np.arange(len(order)), np.flatnonzero(np.diff(labels[order])) + 1):
        order[part] = order[part[np.argsort(descending[part], kind='stable')]]
    return order
