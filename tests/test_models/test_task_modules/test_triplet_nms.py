import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mmdet.registry import TASK_UTILS

from genvlkt_mmdet.models import HOITripletNMS


def iou(a, b):
    """IoU of two boxes that cover their last pixel, counted pixel by pixel where corners are whole numbers."""
    width = min(a[2], b[2]) - max(a[0], b[0]) + 1
    height = min(a[3], b[3]) - max(a[1], b[1]) + 1
    inter = max(width, 0) * max(height, 0)
    areas = [(box[2] - box[0] + 1) * (box[3] - box[1] + 1) for box in (a, b)]
    return inter / (sum(areas) - inter)


def reference(humans, objects, labels, scores, threshold, human_power, object_power):
    """Greedy suppression as one would write it down: best first, against those already kept."""
    kept = []
    for i in sorted(range(len(scores)), key=lambda i: (-scores[i], i)):
        if all(
            labels[i] != labels[k]
            or iou(humans[i], humans[k]) ** human_power * iou(objects[i], objects[k]) ** object_power <= threshold
            for k in kept
        ):
            kept.append(i)
    return kept


@st.composite
def triplets(draw):
    """Integer boxes on a small grid, so that overlaps and ties are frequent."""
    count = draw(st.integers(0, 12))
    corner = st.integers(0, 4)
    side = st.integers(1, 6)

    def boxes():
        rows = [
            (x, y, x + w, y + h) for x, y, w, h in (draw(st.tuples(corner, corner, side, side)) for _ in range(count))
        ]
        return np.array(rows, dtype=np.float64).reshape(-1, 4)

    labels = draw(st.lists(st.integers(0, 2), min_size=count, max_size=count))
    scores = draw(st.lists(st.integers(0, 5), min_size=count, max_size=count))
    return boxes(), boxes(), labels, [s / 4 for s in scores]


def run(nms, humans, objects, labels, scores):
    return nms(
        torch.tensor(humans).reshape(-1, 4),
        torch.tensor(objects).reshape(-1, 4),
        torch.tensor(labels, dtype=torch.long),
        torch.tensor(scores, dtype=torch.float64),
    ).tolist()


@settings(max_examples=60, deadline=None)
@given(
    data=triplets(),
    threshold=st.sampled_from([0.123, 0.321, 0.567, 0.7001]),
    powers=st.sampled_from([(1, 0.5), (1, 1), (2, 1)]),
)
def test_equals_the_plain_loop(data, threshold, powers):
    nms = HOITripletNMS(threshold, *powers)
    assert run(nms, *data) == reference(*data, threshold, *powers)


@settings(max_examples=30, deadline=None)
@given(data=triplets(), random=st.randoms(use_true_random=False))
def test_permuted_input_gives_permuted_indices(data, random):
    humans, objects, labels, scores = data
    scores = [s + 1e-3 * i for i, s in enumerate(scores)]  # no ties: the order of the input then says nothing
    order = list(range(len(scores)))
    random.shuffle(order)
    permuted = run(
        HOITripletNMS(), humans[order], objects[order], [labels[i] for i in order], [scores[i] for i in order]
    )
    assert [order[i] for i in permuted] == run(HOITripletNMS(), humans, objects, labels, scores)


def test_paper_values_by_hand():
    nms = TASK_UTILS.build(dict(type='HOITripletNMS'))
    human = [0.0, 0.0, 9.0, 9.0]  # 100 pixels
    # Objects share 60 of 100 pixels with the first (IoU 0.6): sqrt(0.6) = 0.775 > 0.7; 40 of 100: sqrt(0.4) = 0.632.
    objects = [[0.0, 0.0, 9.0, 9.0], [0.0, 0.0, 9.0, 5.0], [0.0, 0.0, 9.0, 3.0]]
    assert run(nms, [human] * 3, objects, [7, 7, 7], [0.9, 0.8, 0.7]) == [0, 2]
    # Humans count in full: IoU 0.6 is not enough.
    assert run(nms, objects[:2], [human] * 2, [7, 7], [0.9, 0.8]) == [0, 1]
    assert run(nms, [human] * 2, objects[:2], [7, 8], [0.9, 0.8]) == [0, 1]  # another class
    assert run(HOITripletNMS(0.7, 1.0, 1.0), [human] * 2, objects[:2], [7, 7], [0.9, 0.8]) == [0, 1]


def test_only_a_kept_triplet_suppresses():
    # 1 overlaps 0, 2 overlaps 1 but not 0: 1 goes, so 2 stays.
    boxes = [[0.0, 0.0, 19.0, 9.0], [3.0, 0.0, 22.0, 9.0], [6.0, 0.0, 25.0, 9.0]]
    nms = HOITripletNMS(0.7, 1.0, 0.0)
    assert iou(boxes[0], boxes[1]) > 0.7 > iou(boxes[0], boxes[2])
    assert run(nms, boxes, boxes, [0, 0, 0], [3, 2, 1]) == [0, 2]


def test_ties_keep_the_first():
    box = [[0.0, 0.0, 5.0, 5.0]] * 3
    assert run(HOITripletNMS(), box, box, [1, 1, 2], [0.5, 0.5, 0.5]) == [0, 2]


def test_threshold_itself_does_not_suppress():
    # Half the pixels exactly: 0.5 > 0.5 is false.
    humans = [[0.0, 0.0, 9.0, 9.0], [0.0, 0.0, 9.0, 4.0]]
    assert run(HOITripletNMS(0.5), humans, [humans[0]] * 2, [0, 0], [2, 1]) == [0, 1]
    assert run(HOITripletNMS(0.499), humans, [humans[0]] * 2, [0, 0], [2, 1]) == [0]


def test_nothing_in_nothing_out():
    assert run(HOITripletNMS(), [], [], [], []) == []


@pytest.mark.parametrize('dtype', [torch.float32, torch.float16])
def test_result_indexes(dtype):
    boxes = torch.tensor([[0, 0, 5, 5], [20, 20, 30, 30]], dtype=dtype)
    keep = HOITripletNMS()(boxes, boxes, torch.tensor([0, 0]), torch.tensor([0.1, 0.2]))
    assert keep.dtype == torch.long
    assert boxes[keep].tolist() == [[20, 20, 30, 30], [0, 0, 5, 5]]


def test_triplets_of_one_view_do_not_suppress_each_other():
    box = torch.tensor([[0.0, 0, 9, 9]]).expand(4, 4)
    scores, labels = torch.tensor([0.9, 0.8, 0.7, 0.6]), torch.zeros(4, dtype=torch.long)
    nms = HOITripletNMS()
    assert nms(box, box, labels, scores).tolist() == [0]
    assert nms(box, box, labels, scores, torch.tensor([5, 5, 5, 5])).tolist() == [0, 1, 2, 3]
    assert nms(box, box, labels, scores, torch.tensor([1, 0, 1, 0])).tolist() == [0, 2], (
        'a suppressed one suppresses none'
    )
