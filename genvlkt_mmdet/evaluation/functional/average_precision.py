"""Average precision: 11-point for HICO-DET, area under the envelope for V-COCO."""

from collections.abc import Iterator

import numpy as np

# Matlab builds 0:0.1:1 from both ends: the upper half is 1 - k * 0.1. So 0.6 and 0.7 are the nearest doubles there,
# while 0.3 is 3 * 0.1 = 0.30000000000000004.
_LOWER = np.arange(5) * 0.1
MATLAB_THRESHOLDS = np.concatenate([_LOWER, [0.5], 1 - _LOWER[::-1]])
# What the Python evaluator of QPIC and GEN-VLKT uses: 0.6 and 0.7 are a little too high as well.
NUMPY_THRESHOLDS = np.arange(0, 1.1, 0.1)


def eleven_point_ap(recall: np.ndarray, precision: np.ndarray, thresholds: np.ndarray = MATLAB_THRESHOLDS) -> float:
    """11-point interpolated average precision (PASCAL VOC 2007).

    Args:
        recall (np.ndarray): (n,) recall after each detection, ascending.
        precision (np.ndarray): (n,) precision after each detection.
        thresholds (np.ndarray): (11,) recall thresholds. Their last bits matter if a recall equals one of them.

    Returns:
        float: Mean over the thresholds of the highest precision at a recall of at least the threshold; in [0, 1].

    Examples:
        >>> import numpy as np
        >>> round(eleven_point_ap(np.array([0.5, 0.5]), np.array([1.0, 0.5])), 4)
        0.5455
    """
    envelope = np.append(np.maximum.accumulate(precision[::-1])[::-1], 0.0)
    return float(envelope[np.searchsorted(recall, thresholds, side='left')].sum() / len(thresholds))


def area_ap(recall: np.ndarray, precision: np.ndarray) -> float:
    """Area under the monotone precision envelope (PASCAL VOC 2010 and later), in [0, 1].

    The arguments are those of :func:`eleven_point_ap`.

    Examples:
        >>> import numpy as np
        >>> area_ap(np.array([0.5, 0.5, 1.0]), np.array([1.0, 0.5, 2 / 3]))
        0.8333333333333333
    """
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    return float(np.sum(np.diff(recall, prepend=0.0) * envelope))


def precision_recall(
    labels: np.ndarray, correct: np.ndarray, num_gt: np.ndarray
) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """Yields the recall and the precision after each detection, for every class with ground truth.

    Args:
        labels (np.ndarray): (n,) class of each detection, ascending, highest score of a class first.
        correct (np.ndarray): (n,) bool, the true positives.
        num_gt (np.ndarray): (A,) number of ground truth instances of each class.

    Yields:
        tuple[int, np.ndarray, np.ndarray]: Class, recall and precision.
    """
    bounds = np.searchsorted(labels, np.arange(len(num_gt) + 1))
    for i in np.flatnonzero(num_gt):
        true_positives = np.cumsum(correct[bounds[i] : bounds[i + 1]])
        yield int(i), true_positives / num_gt[i], true_positives / np.arange(1, len(true_positives) + 1)


def mean_ap(values: np.ndarray) -> float:
    """Mean of the values that are not NaN. NaN if there are none."""
    values = values[~np.isnan(values)]
    return float(values.mean()) if len(values) else float('nan')


def none_if_nan(value: float) -> float | None:
    """Converts a number to Python's float, and NaN, which JSON does not have, to None."""
    return None if np.isnan(value) else float(value)
