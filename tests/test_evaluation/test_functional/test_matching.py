import numpy as np
import pytest

from genvlkt_mmdet.evaluation.functional.matching import best_matches, first_claims, ranking


@pytest.mark.parametrize('chunk', [1, 3, 1 << 15])
def test_best_matches_equals_a_loop(chunk):
    rng = np.random.default_rng(0)
    det_groups, gt_groups = rng.integers(0, 12, 80), rng.integers(0, 9, 30)
    table = rng.integers(0, 4, (80, 30)) / 4  # many ties
    best, overlap = best_matches(det_groups, gt_groups, lambda d, g: table[d, g], chunk)
    for d in range(80):
        same = np.flatnonzero(gt_groups == det_groups[d])
        expected = max(same, key=lambda g: (table[d, g], -g)) if len(same) else -1
        assert best[d] == expected
        assert overlap[d] == (table[d, expected] if len(same) else -1)


def test_nothing_to_match():
    nothing = np.zeros(0, np.int64)
    best, overlap = best_matches(np.array([1, 2]), nothing, lambda d, g: np.ones(len(d)))
    assert best.tolist() == [-1, -1] and overlap.tolist() == [-1, -1]
    best, _ = best_matches(nothing, np.array([1]), lambda d, g: np.ones(len(d)))
    assert len(best) == 0


def test_first_claims():
    assert first_claims(np.array([3, -1, 3, 0, -1, 0, 7])).tolist() == [True, False, False, True, False, False, True]


@pytest.mark.parametrize('offset', [0, 1 << 20])
def test_ranking_is_by_class_score_image_and_position(offset):
    rng = np.random.default_rng(1)
    labels, scores, images = rng.integers(0, 3, 200) + offset, rng.integers(0, 4, 200) / 4, rng.integers(0, 5, 200)
    expected = sorted(range(200), key=lambda i: (labels[i], -scores[i], images[i], i))
    assert ranking(labels, scores, images).tolist() == expected
