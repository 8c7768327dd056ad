import numpy as np
import pytest

from genvlkt_mmdet.evaluation.functional.average_precision import (
    MATLAB_THRESHOLDS,
    NUMPY_THRESHOLDS,
    area_ap,
    eleven_point_ap,
)


def test_matlab_thresholds_are_built_from_both_ends():
    assert MATLAB_THRESHOLDS.tolist() == [0, 0.1, 0.2, 3 * 0.1, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1]
    assert MATLAB_THRESHOLDS[3] > 0.3


@pytest.mark.parametrize('hits, total, matlab, numpy', [(3, 5, 7, 6), (7, 10, 8, 7), (3, 10, 3, 3), (1, 2, 6, 6)])
def test_recall_that_equals_a_threshold(hits, total, matlab, numpy):
    """A recall of 3/5 reaches Matlab's threshold 0.6, but not 0.6000000000000001 of np.arange."""
    recall = np.arange(1, hits + 1) / total
    precision = np.ones(hits)
    assert eleven_point_ap(recall, precision, MATLAB_THRESHOLDS) == pytest.approx(matlab / 11)
    assert eleven_point_ap(recall, precision, NUMPY_THRESHOLDS) == pytest.approx(numpy / 11)


def test_perfect_is_exactly_one():
    recall = np.arange(1, 8) / 7
    assert eleven_point_ap(recall, np.ones(7)) == 1
    assert area_ap(recall, np.ones(7)) == pytest.approx(1, abs=1e-15)


def test_nothing_detected():
    assert eleven_point_ap(np.zeros(0), np.zeros(0)) == 0
    assert area_ap(np.zeros(0), np.zeros(0)) == 0


def test_hand_worked():
    # right, wrong, right of 4: envelope 1 up to recall 1/4, 2/3 up to 1/2
    recall, precision = np.array([0.25, 0.25, 0.5]), np.array([1, 0.5, 2 / 3])
    assert eleven_point_ap(recall, precision) == pytest.approx((3 * 1 + 3 * 2 / 3) / 11)
    assert area_ap(recall, precision) == pytest.approx(0.25 * 1 + 0.25 * 2 / 3)
