import math

import pytest
import torch

from genvlkt_mmdet.models.task_modules import triplet_scores


def test_by_hand():
    ln3 = math.log(3)  # sigmoid 3/4
    hoi = torch.tensor([[0.0, ln3, -ln3]])
    obj = torch.tensor([[ln3, 0.0, 100.0]])  # 'nothing' is no class's object and takes no part
    scores = triplet_scores(hoi, obj, torch.tensor([1, 0, 0]))
    assert scores.tolist()[0] == pytest.approx([0.5 + 0.25, 0.75 + 0.5625, 0.25 + 0.5625])


def test_batched_range_and_classes_in_order():
    torch.manual_seed(0)
    hoi, obj = 9 * torch.randn(2, 3, 4, 5), 9 * torch.randn(2, 3, 4, 3)
    objects = torch.tensor([0, 1, 1, 0, 1])
    scores = triplet_scores(hoi, obj, objects)
    assert scores.shape == (2, 3, 4, 5)
    assert scores.min() >= 0 and scores.max() <= 2
    assert torch.equal(scores[..., 2:3], triplet_scores(hoi[..., 2:3], obj, objects[2:3]))
