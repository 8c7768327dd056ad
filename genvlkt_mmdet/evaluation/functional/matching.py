"""Matching of detections with ground truth, vectorised over a whole data set."""

from collections.abc import Callable

import numpy as np

Overlap = Callable[[np.ndarray, np.ndarray], np.ndarray]


def best_matches(
    det_groups: np.ndarray, gt_groups: np.ndarray, overlap: Overlap, chunk: int = 1 << 20
) -> tuple[np.ndarray, np.ndarray]:
    """The ground truth of the same group that overlaps each detection most.

    The first one wins where several overlap equally, as in a loop with a strict comparison.

    Args:
        det_groups (np.ndarray): (n,) group of each detection, e.g. a number for its image and class.
        gt_groups (np.ndarray): (m,) group of each ground truth.
        overlap (Callable): Maps (p,) detection indices and (p,) ground truth indices to (p,) overlaps without NaN.
        chunk (int): About how many candidate pairs are held at a time; bounds the memory.

    Returns:
        tuple[np.ndarray, np.ndarray]: (n,) index of the best ground truth, -1 where the group has none, and (n,) its
        overlap, -1 likewise.
    """
    order = np.argsort(gt_groups, kind='stable')
    in_order = gt_groups[order]
    begin = np.searchsorted(in_order, det_groups, side='left')
    counts = np.searchsorted(in_order, det_groups, side='right') - begin
    best = np.full(len(det_groups), -1, dtype=np.int64)
    best_overlap = np.full(len(det_groups), -1.0)
    active = np.flatnonzero(counts)
    ends = np.cumsum(counts[active])
    cuts = np.searchsorted(ends, np.arange(chunk, ends[-1] + chunk, chunk), side='right') if len(active) else []
    start = 0
    for stop in [*cuts, len(active)]:
        dets = active[start : max(stop, start + 1)]
        start += len(dets)
        if not len(dets):
            break
        number = counts[dets]
        first = np.cumsum(number) - number
        place = np.arange(number.sum())
        gts = order[np.repeat(begin[dets] - first, number) + place]
        values = overlap(np.repeat(dets, number), gts)
        highest = np.maximum.reduceat(values, first)
        is_highest = values == np.repeat(highest, number)
        winner = np.minimum.reduceat(np.where(is_highest, place, len(place)), first)
        best[dets] = gts[winner]
        best_overlap[dets] = highest
    return best, best_overlap


def first_claims(targets: np.ndarray) -> np.ndarray:
    """Marks the first claim on every target.

    Args:
        targets (np.ndarray): (n,) what each candidate claims, best candidate first; -1 claims nothing.

    Returns:
        np.ndarray: (n,) bool, True for the first candidate that claims a target.
    """
    claims = np.zeros(len(targets), dtype=bool)
    candidates = np.flatnonzero(targets >= 0)
    claims[candidates[np.unique(targets[candidates], return_index=True)[1]]] = True
    return claims
