import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mmdet.registry import MODELS

from genvlkt_mmdet.models import HOIFocalLoss


def test_one_logit_by_hand():
    # p = 1/2 for a positive and a negative: 0.5 * (1/2)^2 * ln 2 each, one positive.
    loss = HOIFocalLoss(0.5, 2.0)(torch.zeros(1, 2), torch.tensor([[1.0, 0.0]]))
    assert loss.tolist() == pytest.approx([2 * 0.5 * 0.25 * math.log(2)])


def test_is_registered_and_takes_its_arguments():
    loss = MODELS.build(dict(type='HOIFocalLoss', alpha=0.25, gamma=3.0, eps=1e-2, loss_weight=4.0))
    logit = torch.tensor([[math.log(3.0)]])  # p = 3/4
    assert loss(logit, torch.ones(1, 1)).item() == pytest.approx(4 * 0.25 * 0.25**3 * -math.log(0.75))
    assert loss(logit, torch.zeros(1, 1)).item() == pytest.approx(4 * 0.75 * 0.75**3 * -math.log(0.25))
    assert loss(torch.tensor([[-50.0]]), torch.ones(1, 1)).item() == pytest.approx(
        4 * 0.25 * 0.99**3 * -math.log(0.01), rel=1e-5
    )


def test_without_positives_the_sum_is_not_divided():
    logits = torch.zeros(1, 3, 4)
    assert HOIFocalLoss(0.5, 2.0)(logits, torch.zeros_like(logits)).item() == pytest.approx(
        12 * 0.5 * 0.25 * math.log(2)
    )


def test_wild_logits_are_clamped_and_stop_the_gradient():
    logits = torch.tensor([[1000.0, -1000.0]], requires_grad=True)
    loss = HOIFocalLoss(0.5, 2.0)(logits, torch.tensor([[0.0, 1.0]]))
    # Both answers are as wrong as the clamp lets them be.
    assert loss.item() == pytest.approx(2 * 0.5 * 0.9999**2 * -math.log(1e-4), rel=1e-4)
    loss.sum().backward()
    assert logits.grad.tolist() == [[0.0, 0.0]]


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_half_precision_stays_finite(dtype):
    # 1 - 1e-4 is 1 in half precision: clamping there would let log(0) through.
    loss = HOIFocalLoss(0.5, 2.0)(torch.tensor([[30.0, -30.0]], dtype=dtype), torch.tensor([[0.0, 1.0]], dtype=dtype))
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(2 * 0.5 * 0.9999**2 * -math.log(1e-4), rel=1e-3)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), layers=st.integers(1, 3), rows=st.integers(1, 4), columns=st.integers(1, 5))
def test_against_cornernets_formula(seed, layers, rows, columns):
    generator = torch.Generator().manual_seed(seed)
    logits = 4 * torch.randn(layers, 2, rows, columns, generator=generator)
    targets = (torch.rand(logits.shape, generator=generator) < 0.3).float()
    expected = []
    for layer in range(layers):  # the formula, entry by entry
        total, positives = 0.0, 0
        for logit, target in zip(logits[layer].flatten().tolist(), targets[layer].flatten().tolist(), strict=True):
            p = min(max(1 / (1 + math.exp(-logit)), 1e-4), 1 - 1e-4)
            if target:
                total -= 0.5 * (1 - p) ** 2 * math.log(p)
                positives += 1
            else:
                total -= 0.5 * p**2 * math.log(1 - p)
        expected.append(total / positives if positives else total)
    assert HOIFocalLoss(0.5, 2.0)(logits, targets).tolist() == pytest.approx(expected, rel=1e-4)


def test_probabilities_give_the_expected_loss():
    # The label is 1 with probability 0.3: 0.3 times the loss of a positive and 0.7 times that of a negative, p = 3/4.
    logit = torch.tensor([[math.log(3.0)]])
    positive, negative = 0.25 * 0.25**2 * -math.log(0.75), 0.75 * 0.75**2 * -math.log(0.25)
    loss = HOIFocalLoss(0.25, 2.0)(logit, torch.tensor([[0.3]]))
    assert loss.item() == pytest.approx(0.3 * positive + 0.7 * negative)


def test_the_sum_of_probabilities_divides():
    logits = torch.randn(1, 3, 4, generator=torch.Generator().manual_seed(0))
    targets = torch.zeros(1, 3, 4)
    targets[0, 0] = torch.tensor([1.0, 0.0, 0.0, 0.0])
    targets[0, 1] = torch.tensor([0.5, 0.25, 0.25, 0.0])  # a pair with soft labels counts as one
    whole = HOIFocalLoss(0.5, 2.0)(logits, targets)
    parts = sum(HOIFocalLoss(0.5, 2.0)(logits[:, [row]], targets[:, [row]]) for row in range(3))
    assert whole.item() == pytest.approx(parts.item() / 2)
