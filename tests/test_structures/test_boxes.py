import numpy as np
import pytest
import torch

from genvlkt_mmdet.structures import box_iou, tensor_box_iou


@pytest.mark.parametrize('plus_one, expected', [(True, 25 / 175), (False, 16 / (81 + 81 - 16))])
def test_hand_worked(plus_one, expected):
    a, b = np.array([0.0, 0, 9, 9]), np.array([5.0, 5, 14, 14])
    assert box_iou(a, b, plus_one) == pytest.approx(expected, abs=1e-15)


def test_plus_one_lets_neighbours_touch():
    a, b = np.array([0.0, 0, 4, 4]), np.array([4.0, 0, 8, 4])
    assert box_iou(a, b) == pytest.approx(5 / 45)
    assert box_iou(a, b, plus_one=False) == 0


def test_broadcasts_and_keeps_precision():
    boxes = np.array([[0, 0, 9, 9], [2, 2, 5, 5], [40, 40, 50, 50]], dtype=np.float32)
    matrix = box_iou(boxes[:, None], boxes[None])
    assert matrix.dtype == np.float32
    np.testing.assert_allclose(matrix, [[1, 0.16, 0], [0.16, 1, 0], [0, 0, 1]], atol=1e-7)


def test_degenerate_and_missing_boxes():
    point, nothing = np.array([3.0, 3, 3, 3]), np.full(4, np.nan)
    assert box_iou(point, point) == 1  # one pixel, with the +1 convention
    assert box_iou(point, point, plus_one=False) == 0
    assert np.isnan(box_iou(point, nothing))


def test_inverted_box_is_disjoint():
    assert box_iou(np.array([9.0, 9, 0, 0]), np.array([0.0, 0, 9, 9])) == 0


@pytest.mark.parametrize('plus_one', [True, False])
def test_tensors_and_arrays_agree(plus_one):
    corners = np.random.default_rng(0).uniform(0, 50, (2, 20, 2))
    a, b = np.concatenate([corners, corners + 30], axis=-1)
    expected = box_iou(a[:, None], b[None], plus_one)
    result = tensor_box_iou(torch.tensor(a)[:, None], torch.tensor(b)[None], plus_one)
    np.testing.assert_allclose(result.numpy(), expected, rtol=1e-12)
