import itertools

import numpy as np
import pytest
import torch
from mmengine.structures import InstanceData
from torch.overrides import TorchFunctionMode

from genvlkt_mmdet.models import HOIHungarianAssigner
from tests.test_models.tiny import COSTS


def predictions(queries, layers=2, images=3, seed=0):
    torch.manual_seed(seed)
    return dict(
        hoi_logits=2 * torch.randn(layers, images, queries, 6),
        obj_logits=2 * torch.randn(layers, images, queries, 5),
        human_boxes=torch.rand(layers, images, queries, 4) * 0.5 + 0.2,
        object_boxes=torch.rand(layers, images, queries, 4) * 0.5 + 0.2,
    )


def targets(*counts, seed=1):
    torch.manual_seed(seed)
    return [
        InstanceData(
            hoi_labels=(torch.rand(n, 6) < 0.4).float(),
            object_labels=torch.randint(4, (n,)),
            human_boxes=torch.rand(n, 4) * 0.5 + 0.2,
            object_boxes=torch.rand(n, 4) * 0.5 + 0.2,
        )
        for n in counts
    ]


def by_layer_and_image(matches):
    """{(layer, image): {query: pair}} of plain numbers."""
    result = {}
    for layer, image, query, pair in zip(*(m.tolist() for m in matches), strict=True):
        assert query not in result.setdefault((layer, image), {})
        result[layer, image][query] = pair
    return result


@pytest.mark.parametrize('counts', [(2, 3, 1), (0, 4, 2), (5, 6, 0)])
def test_finds_the_optimum_of_all_permutations(counts):
    """4 queries; also images without pairs and with more pairs than queries."""
    assigner, pred, gt = HOIHungarianAssigner(COSTS), predictions(queries=4), targets(*counts)
    costs = assigner.cost(pred, gt).double().numpy()
    found = by_layer_and_image(assigner.assign_batch(pred, gt))
    for layer, (image, n) in itertools.product(range(2), enumerate(counts)):
        cost = costs[layer, image, :, :n]
        size = min(4, n)
        best = min(
            sum(cost[q, p] for q, p in zip(qs, ps, strict=True))
            for qs in itertools.combinations(range(4), size)
            for ps in itertools.permutations(range(n), size)
        )
        match = found.get((layer, image), {})
        assert len(match) == size
        assert len(set(match.values())) == size
        assert sum(cost[q, p] for q, p in match.items()) == pytest.approx(best)


def test_cost_is_the_sum_of_the_weighted_costs():
    pred, gt = predictions(queries=4), targets(2, 3, 1)
    full = HOIHungarianAssigner(COSTS).cost(pred, gt)
    assert full.shape == (2, 3, 4, 3)
    parts = [
        HOIHungarianAssigner([dict(type=kind, weight=weight)]).cost(pred, gt)
        for kind, weight in [
            ('HOIClassCost', 1),
            ('HOIObjectClassCost', 1),
            ('HOIPairL1Cost', 2.5),
            ('HOIPairGIoUCost', 1),
        ]
    ]
    for image, n in enumerate((2, 3, 1)):
        np.testing.assert_allclose(full[:, image, :, :n], sum(parts)[:, image, :, :n], rtol=1e-5)


def test_perfect_queries_get_their_pairs():
    gt = targets(3)
    order = torch.tensor([2, 0, 1])
    pred = dict(
        hoi_logits=(gt[0].hoi_labels[order] * 2 - 1) * 9,
        obj_logits=torch.nn.functional.one_hot(gt[0].object_labels[order], 5) * 9.0,
        human_boxes=gt[0].human_boxes[order],
        object_boxes=gt[0].object_boxes[order],
    )
    matches = HOIHungarianAssigner(COSTS).assign_batch({k: v[None, None] for k, v in pred.items()}, gt)
    assert by_layer_and_image(matches) == {(0, 0): {0: 2, 1: 0, 2: 1}}


def test_assign_is_assign_batch_of_one():
    assigner, pred, gt = HOIHungarianAssigner(COSTS), predictions(queries=5), targets(2, 3, 0)
    found = by_layer_and_image(assigner.assign_batch(pred, gt))
    for layer, image in itertools.product(range(2), range(3)):
        one = InstanceData(**{k: v[layer, image] for k, v in pred.items()})
        result = assigner.assign(one, gt[image])
        match = found.get((layer, image), {})
        assert result.num_gts == len(gt[image])
        assert result.gt_inds.tolist() == [match.get(q, -1) + 1 for q in range(5)]
        labels = gt[image].object_labels.tolist()
        assert result.labels.tolist() == [labels[match[q]] if q in match else -1 for q in range(5)]


def test_batch_without_any_pair():
    matches = HOIHungarianAssigner(COSTS).assign_batch(predictions(queries=4), targets(0, 0, 0))
    assert [len(m) for m in matches] == [0] * 4
    assert all(m.dtype == torch.long for m in matches)


def test_matches_are_ordered_and_need_no_gradient():
    pred = {k: v.requires_grad_() for k, v in predictions(queries=4).items()}
    matches = HOIHungarianAssigner(COSTS).assign_batch(pred, targets(2, 3, 1))
    rows = list(zip(*(m.tolist() for m in matches), strict=True))
    assert rows == sorted(rows)
    assert not HOIHungarianAssigner(COSTS).cost(pred, targets(2, 3, 1)).requires_grad


@pytest.mark.parametrize('bad', [float('nan'), float('-inf')])
def test_diverged_training_is_said_in_a_sentence(bad):
    pred = predictions(queries=4)
    pred['human_boxes'][1, 2, 0, 0] = bad
    with pytest.raises(FloatingPointError, match=r'layer 1 is not finite.*lower the learning rate'):
        HOIHungarianAssigner(COSTS).assign_batch(pred, targets(1, 1, 1))


def test_the_host_waits_for_the_device_once():
    """Counts what makes the host wait for a GPU: transfers to it and reads of single values."""
    waits = []

    class Spy(TorchFunctionMode):
        def __torch_function__(self, func, types, args=(), kwargs=None):
            if getattr(func, '__name__', '') in (
                'cpu', 'item', 'tolist', 'nonzero', '__bool__', '__int__', '__float__', '__index__', 'unique', 'argwhere'
            ):  # fmt: skip
                waits.append(func.__name__)
            return func(*args, **(kwargs or {}))

    pred, gt = predictions(queries=4, layers=6), targets(2, 0, 3)
    with Spy():
        HOIHungarianAssigner(COSTS).assign_batch(pred, gt)
    assert waits == ['cpu']
