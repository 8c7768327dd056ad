"""Matching of intervals and ID switches, worked by hand."""

import numpy as np
import pytest

from genvlkt_mmdet.evaluation.functional import (
    BoxedInterval,
    count_id_switches,
    f1_score,
    match_intervals,
    pair_overlap,
    time_iou,
)

HUMAN, OBJECT = np.array([0.0, 0, 10, 10]), np.array([10.0, 0, 30, 10])


def interval(first, last, label='ride horse', human=HUMAN, obj=OBJECT, confidence=1.0):
    frames = last - first + 1
    return BoxedInterval(
        label, first, last, np.tile(human, (frames, 1)), None if obj is None else np.tile(obj, (frames, 1)), confidence
    )


@pytest.mark.parametrize(
    ('first', 'second', 'expected'),
    [((0, 9), (0, 9), 1.0), ((0, 9), (5, 14), 5 / 15), ((0, 9), (10, 19), 0.0), ((3, 3), (0, 9), 0.1), ((0, 1), (8, 9), 0.0)],
)  # fmt: skip
def test_time_iou(first, second, expected):
    assert time_iou(interval(*first), interval(*second)) == time_iou(interval(*second), interval(*first)) == expected


def test_pair_overlap_is_the_mean_of_the_smaller_iou():
    truth = interval(0, 3)
    assert pair_overlap(truth, interval(2, 9)) == 1.0
    # Half of the object is covered in each frame: IoU 10 / 20 = 0.5.
    assert pair_overlap(truth, interval(0, 3, obj=np.array([10.0, 0, 20, 10]))) == 0.5
    moved = interval(0, 3)
    moved.human_boxes[:2] = [100, 100, 110, 110]  # elsewhere in two of four frames
    moved.object_boxes[3] = np.nan
    assert pair_overlap(truth, moved) == 0.25
    assert pair_overlap(truth, interval(4, 9)) == 0.0
    assert pair_overlap(truth, interval(0, 3, obj=None)) == 0.0
    assert pair_overlap(interval(0, 3, obj=None), interval(0, 3, obj=None)) == 1.0


def test_matching():
    truth = [interval(0, 9), interval(20, 29), interval(0, 9, 'hold ball')]
    predicted = [
        interval(0, 4, confidence=0.6),  # IoU 0.5 in time, but the better one takes the ground truth first
        interval(1, 9, confidence=0.9),  # 0.9
        interval(20, 24, 'ride sheep'),  # other class
        interval(26, 29),  # 0.4
        interval(18, 29, human=HUMAN + 50),  # other person
        interval(0, 9, 'hold ball', confidence=0.1),
    ]
    assert match_intervals(predicted, truth) == [None, 0, None, None, None, 2]
    assert match_intervals(predicted, truth, min_time=0.4) == [None, 0, None, 1, None, 2]
    assert match_intervals(predicted, truth, min_box=0.0)[4] == 1
    assert match_intervals([], truth) == [] and match_intervals(predicted[:1], []) == [None]


def test_of_several_the_largest_overlap_in_time_is_taken():
    truth = [interval(0, 9), interval(2, 11)]
    assert match_intervals([interval(2, 10)], truth) == [1]


def test_f1():
    assert f1_score(3, 4, 6) == (0.75, 0.5, pytest.approx(0.6))
    assert f1_score(0, 0, 5) == f1_score(0, 5, 0) == (0.0, 0.0, 0.0)


def test_id_switches():
    pytest.importorskip('trackers')
    boxes = np.array([[0.0, 0, 10, 10], [50, 50, 60, 60]])
    classes = np.array([0, 1])
    truth = [(np.array([1, 2]), classes, boxes)] * 4

    def frame(first, second, kinds=classes):
        return np.array([first, second]), kinds, boxes + 1

    none = (np.zeros(0, int), np.zeros(0, int), np.zeros((0, 4)))
    assert count_id_switches(truth, [frame(5, 6)] * 4) == 0
    # The first one becomes 7, and 5 again: two switches. A gap alone is none.
    assert count_id_switches(truth, [frame(5, 6), frame(7, 6), frame(5, 6), frame(5, 6)]) == 2
    assert count_id_switches(truth, [frame(5, 6), none, frame(5, 6), frame(5, 6)]) == 0
    # Another class never matches, so the second one has no track that could switch.
    assert count_id_switches(truth, [frame(5, 6 + i, np.array([0, 0])) for i in range(4)]) == 0
