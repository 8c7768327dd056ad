import numpy as np
import torch

from genvlkt_mmdet.structures import Triplets, has_object, zeros_to_no_object

BOXES = [[0.0, 0, 0, 0], [float('nan')] * 4, [0.0, 0, 5, 5]]


def test_one_encoding_of_no_object():
    for boxes in (np.array(BOXES), torch.tensor(BOXES)):
        assert has_object(boxes).tolist() == [True, False, True]
        assert has_object(zeros_to_no_object(boxes)).tolist() == [False, False, True]
        assert boxes[0].tolist() == [0, 0, 0, 0]  # the input stays


def test_join():
    one = Triplets.of_image([[0, 0, 1, 1]], [BOXES[1]], [3], [0.5])
    both = Triplets.join([one, Triplets.of_image([], [], [], []), one])
    assert both.images.tolist() == [0, 2] and both.labels.dtype == np.int64 and both.scores.tolist() == [0.5, 0.5]
    assert not has_object(both.object_boxes).any()
    assert len(Triplets.join([])) == 0 and Triplets.join([]).scores is None
