"""Matching of detections with ground truth, vectorised over a whole dataset."""

from collections.abc import Callable, Iterator

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
    best = np.full(len(det_groups), -1, dtype=np.int64)
    best_overlap = np.full(len(det_groups), -1.0)
    for dets, first, number, gts in same_group(det_groups, gt_groups, chunk):
        values = overlap(np.repeat(dets, number), gts)
        best_overlap[dets] = highest = np.maximum.reduceat(values, first)
        place, is_highest = np.arange(len(gts)), values == np.repeat(highest, number)
        best[dets] = gts[np.minimum.reduceat(np.where(is_highest, place, len(place)), first)]
    return best, best_overlap


def same_group(
    det_groups: np.ndarray, gt_groups: np.ndarray, chunk: int = 1 << 15
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]]:
    """Yields all pairs of a detection and a ground truth of the same group, in parts.

    The arguments are those of :func:`best_matches`.

    Yields:
        tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]: Of each part, (d,) detections that have at least one ground truth,
        ascending; (d,) place of the first ground truth of each in the last array; (d,) their number; (p,) the ground truth of
        all pairs, in ascending order for each detection.
    """
    order = np.argsort(gt_groups, kind='stable')
    groups, begins, sizes = np.unique(gt_groups[order], return_index=True, return_counts=True)
    if not len(groups):
        return
    group = np.minimum(np.searchsorted(groups, det_groups), len(groups) - 1)
    active = np.flatnonzero(groups[group] == det_groups)
    begin, counts = begins[group[active]], sizes[group[active]]
    cuts = np.searchsorted(np.cumsum(counts), np.arange(chunk, counts.sum(), chunk), side='right')
    for part in np.split(np.arange(len(active)), cuts):
        if len(part):
            number = counts[part]
            first = np.cumsum(number) - number
            yield active[part], first, number, order[np.repeat(begin[part] - first, number) + np.arange(number.sum())]


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


def equal_rows(*columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Groups equal rows of (n,) columns of numbers. NaN equals NaN.

    Returns:
        tuple[np.ndarray, np.ndarray]: First row of each group in order of appearance, and the group of each row (n,).
    """
    rows = [_bits(column) for column in columns]
    equal, order, salt = np.zeros(0, dtype=bool), np.zeros(0, dtype=np.int64), 0
    while True:
        # Sorting a hash of the rows is many times faster than sorting the rows, and takes little memory. If two different
        # rows have the same hash, which hardly ever happens, another hash is tried.
        salt += 1
        hashes = np.full(len(columns[0]), salt, dtype=np.uint64)
        for bits in rows:
            hashes = (hashes ^ bits) * np.uint64(0x9E3779B97F4A7C15 + 2 * salt)
            hashes ^= hashes >> np.uint64(29)
        order = np.argsort(hashes)
        equal = np.diff(hashes[order]) == 0
        where = np.flatnonzero(equal)
        if all((bits[order[where]] == bits[order[where + 1]]).all() for bits in rows):
            break
    starts = np.flatnonzero(np.append(True, ~equal)[: len(order)])
    if not len(starts):
        return order, order
    first = np.minimum.reduceat(order, starts)
    rank = np.empty(len(starts), dtype=np.int64)
    rank[np.argsort(first)] = np.arange(len(starts))
    group = np.empty(len(order), dtype=np.int64)
    group[order] = np.repeat(rank, np.diff(np.append(starts, len(order))))
    return np.sort(first), group


def _bits(column: np.ndarray) -> np.ndarray:
    """(n,) 64-bit codes that are equal if and only if the numbers are."""
    if column.dtype.kind != 'f':
        return column.astype(np.int64).view(np.uint64)
    values = column.astype(np.float64) + 0.0  # no negative zero
    values[np.isnan(values)] = np.nan
    return values.view(np.uint64)
