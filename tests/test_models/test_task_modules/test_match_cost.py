import itertools
import math

import pytest
import torch
from mmdet.registry import TASK_UTILS


def giou(a, b):
    """Generalised IoU of two cxcywh boxes, from its definition."""
    (ax1, ay1, ax2, ay2), (bx1, by1, bx2, by2) = ((x - w / 2, y - h / 2, x + w / 2, y + h / 2) for x, y, w, h in (a, b))
    inter = max(min(ax2, bx2) - max(ax1, bx1), 0) * max(min(ay2, by2) - max(ay1, by1), 0)
    union = (ax2 - ax1) * (ay2 - ay1) + (bx2 - bx1) * (by2 - by1) - inter
    hull = (max(ax2, bx2) - min(ax1, bx1)) * (max(ay2, by2) - min(ay1, by1))
    return inter / max(union, 1e-12) - (hull - union) / max(hull, 1e-12)


def l1(a, b):
    return sum(abs(x - y) for x, y in zip(a, b, strict=True))


@pytest.fixture
def case():
    """Random predictions (2 layers, 3 images, 4 queries) and 3 pairs; the second pair of every image has no object."""
    torch.manual_seed(3)
    pred = dict(
        hoi_logits=2 * torch.randn(2, 3, 4, 6),
        obj_logits=2 * torch.randn(2, 3, 4, 5),
        human_boxes=torch.rand(2, 3, 4, 4) * 0.5 + 0.2,
        object_boxes=torch.rand(2, 3, 4, 4) * 0.5 + 0.2,
    )
    target = dict(
        hoi_labels=(torch.rand(2, 3, 3, 6) < 0.4).float(),
        object_labels=torch.randint(4, (2, 3, 3)),
        human_boxes=torch.rand(2, 3, 3, 4) * 0.5 + 0.2,
        object_boxes=torch.rand(2, 3, 3, 4) * 0.5 + 0.2,
    )
    target['object_boxes'][:, :, 1] = 0
    return pred, target


def check(cost, case, formula):
    """Compares a cost with ``formula(one query's predictions, one pair)`` at every entry."""
    pred, target = case
    value = cost(pred, target)
    assert value.shape == (2, 3, 4, 3)
    for layer, image, q, t in itertools.product(range(2), range(3), range(4), range(3)):
        p = {k: v[layer, image, q].tolist() for k, v in pred.items()}
        g = {k: v[layer, image, t].tolist() for k, v in target.items()}
        assert value[layer, image, q, t].item() == pytest.approx(formula(p, g), rel=1e-4, abs=1e-4)


def test_hoi_class_cost(case):
    def formula(p, g):
        prob = [1 / (1 + math.exp(-x)) for x in p['hoi_logits']]
        labels = g['hoi_labels']
        inside = sum(a for a, t in zip(prob, labels, strict=True) if t) / (sum(labels) + 1e-4)
        outside = sum(1 - a for a, t in zip(prob, labels, strict=True) if not t) / (6 - sum(labels) + 1e-4)
        return -3.0 * (inside + outside) / 2

    check(TASK_UTILS.build(dict(type='HOIClassCost', weight=3.0)), case, formula)


def test_hoi_class_cost_of_a_perfect_query_is_minus_one():
    cost = TASK_UTILS.build(dict(type='HOIClassCost', weight=1.0))
    labels = torch.tensor([[1.0, 0.0, 1.0]])
    pred = dict(hoi_logits=(labels * 2 - 1) * 50)
    assert cost(pred, dict(hoi_labels=labels)).item() == pytest.approx(-1, abs=1e-4)
    assert cost(dict(hoi_logits=-pred['hoi_logits']), dict(hoi_labels=labels)).item() == pytest.approx(0, abs=1e-4)


def test_object_class_cost(case):
    def formula(p, g):
        exps = [math.exp(x) for x in p['obj_logits']]
        return -2.0 * exps[g['object_labels']] / sum(exps)

    check(TASK_UTILS.build(dict(type='HOIObjectClassCost', weight=2.0)), case, formula)


def test_pair_l1_cost_skips_the_object_that_is_not_there(case):
    def formula(p, g):
        human = l1(p['human_boxes'], g['human_boxes'])
        return 2.5 * (max(human, l1(p['object_boxes'], g['object_boxes'])) if any(g['object_boxes']) else human)

    check(TASK_UTILS.build(dict(type='HOIPairL1Cost', weight=2.5)), case, formula)


def test_pair_giou_cost_counts_the_zero_box(case):
    def formula(p, g):
        human = giou(p['human_boxes'], g['human_boxes'])
        obj = -giou(p['object_boxes'], g['object_boxes'])
        return 1.5 * max(-human, obj if any(g['object_boxes']) else obj - human)

    check(TASK_UTILS.build(dict(type='HOIPairGIoUCost', weight=1.5)), case, formula)


def test_pair_giou_cost_without_object_by_hand():
    # Human exact: GIoU 1. Object box [0.2, 0.4]^2 and the zero box: no overlap, union 0.04, hull 0.4 x 0.4:
    # GIoU = -0.12 / 0.16 = -0.75. Object cost = 0.75 - 1 = -0.25, above the human's -1.
    human = torch.tensor([[0.5, 0.5, 0.2, 0.2]])
    pred = dict(human_boxes=human, object_boxes=torch.tensor([[0.3, 0.3, 0.2, 0.2]]))
    target = dict(human_boxes=human, object_boxes=torch.zeros(1, 4))
    cost = TASK_UTILS.build(dict(type='HOIPairGIoUCost', weight=1.0))(pred, target)
    assert cost.item() == pytest.approx(-0.25, abs=1e-4)
