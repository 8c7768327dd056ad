"""Average precision: 11-point for HICO-DET, area under the envelope for V-COCO."""

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
        thresholds (np.ndarray): (11,) recalls to look at; the last bits matter where a recall equals one of them.

    Returns:
        float: Mean over the thresholds of the highest precision at a recall of at least the threshold; in [0, 1].

    Example:
        >>> import numpy as np
        >>> round(eleven_point_ap(np.array([0.5, 0.5]), np.array([1.0, 0.5])), 4)
        0.5455
    """
    envelope = np.append(np.maximum.accumulate(precision[::-1])[::-1], 0.0)
    return float(envelope[np.searchsorted(recall, thresholds, side='left')].sum() / len(thresholds))


def area_ap(recall: np.ndarray, precision: np.ndarray) -> float:
    """Area under the monotone precision envelope (PASCAL VOC 2010 and later).

    Args:
        recall (np.ndarray): (n,) recall after each detection, ascending.
        precision (np.ndarray): (n,) precision after each detection.

    Returns:
        float: The area, in [0, 1].

    Example:
        >>> import numpy as np
        >>> area_ap(np.array([0.5, 0.5, 1.0]), np.array([1.0, 0.5, 2 / 3]))
        0.8333333333333333
    """
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    return float(np.sum(np.diff(recall, prepend=0.0) * envelope))


def mean_ap(values: np.ndarray) -> float:
    """Mean of the values that are not NaN.

    Args:
        values (np.ndarray): (n,) AP of each class, NaN for a class that does not count.

    Returns:
        float: The mean; NaN if no class counts.
    """
    values = values[~np.isnan(values)]
    return float(values.mean()) if len(values) else float('nan')


def none_if_nan(value: float) -> float | None:
    """Converts NaN, which JSON does not have, to None.

    Args:
        value (float): Any number.

    Returns:
        float | None: The number as Python's float, or None.
    """
    return None if np.isnan(value) else float(value)
