"""Drawings of video frames: boxes and labels where they belong, labels apart, and fast enough for video."""

import time

import numpy as np
import pytest

from genvlkt_mmdet.visualization import frame_drawing
from genvlkt_mmdet.visualization.drawn_pairs import DrawnPair
from genvlkt_mmdet.visualization.frame_drawing import draw_frame
from genvlkt_mmdet.visualization.palette import PALETTE

GREY = 90


def frame(height: int = 720, width: int = 1280) -> np.ndarray:
    return np.full((height, width, 3), GREY, np.uint8)


def pair(x: float, y: float, color: int = 0, phrase: str = 'person riding a horse', obj: bool = True) -> DrawnPair:
    human = np.array([x, y, x + 100.0, y + 200])
    return DrawnPair(human, human + [150, 50, 250, 0] if obj else None, {phrase: None}, color)


def is_color(pixels: np.ndarray, rgb: tuple[int, int, int]) -> np.ndarray:
    return np.abs(pixels[..., ::-1].astype(int) - rgb).max(axis=-1) < 12


def test_boxes_and_label_are_where_they_belong():
    before = frame()
    drawn = draw_frame(before, [pair(400, 300, color=1)])
    assert (before == GREY).all() and drawn.shape == before.shape
    human, light = PALETTE[1]
    assert is_color(drawn[320:480, 398:403], human).any(axis=1).all()  # left side, solid
    right = is_color(drawn[370:480, 748:753], light).any(axis=1)
    assert 0.3 < right.mean() < 0.8  # the object's right side, dashed
    label = is_color(drawn[270:299, 402:600], human)
    assert label.mean() > 0.5  # above the person, on the colour of the pair
    untouched = drawn.copy()
    untouched[260:510, 390:760] = GREY
    assert (untouched == GREY).all()


def test_the_object_of_a_pair_without_object_is_not_drawn():
    drawn = draw_frame(frame(), [pair(400, 300, obj=False)])
    assert not is_color(drawn, PALETTE[0][1]).any()


@pytest.mark.parametrize('number', [2, 30])
def test_labels_never_overlap_and_stay_in_the_frame(monkeypatch, number):
    corners = []
    find = frame_drawing._free_corner

    def watched(size, box, canvas, taken):
        corner = find(size, box, canvas, taken)
        corners.append((corner, size))
        return corner

    monkeypatch.setattr(frame_drawing, '_free_corner', watched)
    rng = np.random.default_rng(0)
    draw_frame(frame(), [pair(*rng.uniform(0, (900, 500)), color=i) for i in range(number)])
    assert len(corners) == number and all(corner for corner, _ in corners)
    boxes = np.array([(x, y, x + w, y + h) for (x, y), (h, w) in corners])
    assert (boxes[:, :2] >= 0).all() and (boxes[:, 2:] <= [1280, 720]).all()
    for i, box in enumerate(boxes):
        others = np.delete(boxes, i, axis=0)
        apart = (others[:, :2] >= box[2:]).any(1) | (others[:, 2:] <= box[:2]).any(1)
        assert apart.all()


def test_a_label_without_room_is_left_out_and_the_rest_is_drawn():
    many = [
        pair(200, 200, color=i, phrase=f'a person who does thing number {i} for a long time ' * 3) for i in range(60)
    ]
    drawn = draw_frame(frame(480, 480), many)
    assert drawn.shape == (480, 480, 3)


@pytest.mark.parametrize(
    ('size', 'expected'),
    [((128, 128), (480, 480)), ((96, 128), (480, 640)), ((10, 2000), (10, 2000)), ((30, 200), (240, 1600))],
)  # fmt: skip
def test_small_frames_are_enlarged(size, expected):
    inside = DrawnPair(np.array([-5.0, -5, size[1] / 2, size[0] / 2]), np.array([0.0, 0, 9999, 9999]), {'person': None})
    assert draw_frame(frame(*size), [inside]).shape[:2] == expected
    assert draw_frame(frame(*size), []).shape[:2] == expected


def test_long_phrases_are_wrapped():
    label = frame_drawing._label(('person sitting on ' + 'very ' * 30 + 'old benches',), 18, 512, 0)
    assert label.shape[1] <= 512 and label.shape[0] > 3 * 18


def test_a_frame_of_720p_takes_less_than_a_thirtieth_second():
    pairs = [pair(100 + 150 * i, 100 + 40 * i, color=i) for i in range(6)]
    draw_frame(frame(), pairs)
    start = time.process_time()
    for _ in range(30):
        draw_frame(frame(), pairs)
    assert time.process_time() - start < 1
