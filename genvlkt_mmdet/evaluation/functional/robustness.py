"""Summary figures of a detector's robustness."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Robustness:
    """The two summary figures of RoHOI (arXiv 2507.09111), MRI and CRI.

    Attributes:
        mean (float): Mean robustness (MRI): the mean over the corruptions of the mean mAP over the levels, in [0, 1].
        composite (float): Composite robustness (CRI): the mean over the corruptions of the mean mAP over the levels, divided by
            the mAP without corruption and by 1 + log(1 + s), where s is the standard deviation of the mAP over the levels. 1 if
            nothing is lost. NaN if the mAP without corruption is 0.
    """

    mean: float
    composite: float


def summarize_robustness(clean: float, corrupted: np.ndarray) -> Robustness:
    """Computes the summary figures.

    The formula does not fix the unit of the standard deviation. Here it is in percent, as mAP is reported, and that of the
    population (divided by the number of levels). The logarithm is the natural one.

    Args:
        clean (float): mAP without corruption, in [0, 1].
        corrupted (np.ndarray): (C, L) mAP of every corruption and level.

    Returns:
        Robustness: Mean and composite robustness.

    Examples:
        >>> import numpy as np
        >>> summary = summarize_robustness(0.8, np.array([[0.8, 0.8], [0.4, 0.4]]))
        >>> round(summary.mean, 3), round(summary.composite, 3)
        (0.6, 0.75)
    """
    means, spread = corrupted.mean(axis=1), corrupted.std(axis=1)
    share = means / clean if clean > 0 else np.full(len(means), np.nan)
    return Robustness(float(means.mean()), float((share / (1 + np.log1p(100 * spread))).mean()))
