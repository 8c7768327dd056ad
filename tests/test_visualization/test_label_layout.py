import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from genvlkt_mmdet.visualization.label_layout import place_labels


def _rectangles(positions, sizes):
    return np.concatenate([positions, positions + sizes], axis=1)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**16),
    number=st.integers(1, 8),
    height=st.integers(100, 600),
    width=st.integers(100, 600),
)
def test_labels_never_overlap_and_never_leave_the_canvas(seed, number, height, width):
    rng = np.random.default_rng(seed)
    sizes = rng.uniform([10, 8], [width / 2, height / 5], (number, 2))
    corners = rng.uniform(0, 0.7, (number, 2)) * [width, height]
    boxes = np.concatenate([corners, corners + rng.uniform(5, 100, (number, 2))], axis=1)
    gap = 4.0
    positions = place_labels(sizes, boxes, boxes, (height, width), gap)
    if positions is None:
        return
    rects = _rectangles(positions, sizes)
    assert (rects[:, :2] >= gap - 1e-6).all()
    assert (rects[:, 2:] <= np.array([width, height]) - gap + 1e-6).all()
    for i in range(number):
        for j in range(i):
            apart = np.maximum(rects[i, :2] - rects[j, 2:], rects[j, :2] - rects[i, 2:]).max()
            assert apart >= gap - 1e-6


def test_label_stands_on_its_box_where_that_is_free():
    box = np.array([[100.0, 100.0, 160.0, 250.0]])
    positions = place_labels(np.array([[80.0, 20.0]]), box, box, (400, 400), 4.0)
    left, top = positions[0]
    assert abs(left - 100) <= 4
    assert 74 <= top <= 80  # just above the box


def test_label_avoids_a_small_box_of_another_pair():
    anchor = np.array([[100.0, 100.0, 160.0, 250.0]])
    other = np.array([[95.0, 60.0, 185.0, 98.0]])
    size = np.array([[80.0, 20.0]])
    (left, top), *_ = place_labels(size, anchor, np.concatenate([anchor, other]), (400, 400), 4.0)
    right, bottom = left + 80, top + 20
    hidden = max(min(right, 185) - max(left, 95), 0) * max(min(bottom, 98) - max(top, 60), 0)
    assert hidden == 0


def test_labels_that_would_hide_the_picture_are_refused():
    boxes = np.array([[10.0, 10.0, 50.0, 50.0]] * 4)
    assert place_labels(np.full((4, 2), 60.0), boxes, boxes, (200, 200), 2.0) is None  # 36 % of the picture
    assert place_labels(np.array([[150.0, 10.0]]), boxes[:1], boxes[:1], (200, 140), 2.0) is None  # too wide


def test_nothing_to_place():
    none = np.zeros((0, 4))
    assert place_labels(np.zeros((0, 2)), none, none, (100, 100), 2.0).shape == (0, 2)
