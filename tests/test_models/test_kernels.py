"""The faster forms compute what torch computes; dropout has its probability, and gradients of what was kept."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from genvlkt_mmdet.models import kernels
from genvlkt_mmdet.models.kernels import attention, dropout, linear, use_fast_kernels


def with_gradients(call, *inputs):
    """Output and gradients of a call, for a fixed random gradient of the output."""
    inputs = [x.detach().clone().requires_grad_() for x in inputs]
    output = call(*inputs)
    output.backward(torch.randn(output.shape, generator=torch.Generator().manual_seed(1)).to(output.dtype))
    return [output.detach(), *(x.grad for x in inputs)]


@pytest.mark.parametrize('shape', [(5, 7), (2, 3, 7), (2, 0, 7), (1, 7)])
@pytest.mark.parametrize('strided', [False, True])
def test_linear(shape, strided):
    torch.manual_seed(0)
    x, weight, bias = torch.randn(shape), torch.randn(4, 7), torch.randn(4)
    if strided:
        x = torch.randn(*shape[:-1], 14)[..., ::2]
    for arguments in ((x, weight, bias), (x, weight)):
        for ours, theirs in zip(with_gradients(linear, *arguments), with_gradients(functional.linear, *arguments)):
            torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)


def test_linear_with_a_part_that_needs_no_gradient():
    x, weight = torch.randn(3, 7), torch.randn(4, 7, requires_grad=True)
    linear(x, weight).sum().backward()
    torch.testing.assert_close(weight.grad, x.sum(0).expand(4, 7), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize('p', [0.1, 0.5])
@pytest.mark.parametrize('dtype', [torch.float32, torch.bfloat16])
def test_dropout(p, dtype):
    torch.manual_seed(0)
    x = torch.ones(401, 503, dtype=dtype, requires_grad=True)  # no multiple of four values
    y = dropout(x, p)
    kept = y != 0
    # Four standard deviations of the mean of that many draws
    assert abs(kept.float().mean().item() - (1 - p)) < 4 * (p * (1 - p) / x.numel()) ** 0.5 + 2**-16
    torch.testing.assert_close(y[kept], torch.full_like(y[kept], 1 / (1 - p)), rtol=1e-2, atol=0)
    y.backward(torch.full_like(y, 3))
    torch.testing.assert_close(x.grad, 3 * y.detach(), rtol=1e-2, atol=0)
    # Neighbours come from one draw, and are independent all the same.
    pairs = (kept[:, :-1] & kept[:, 1:]).float().mean().item()
    assert abs(pairs - (1 - p) ** 2) < 0.01
    assert not torch.equal(dropout(x, p), y)


def test_the_seed_decides_what_is_dropped():
    outputs = []
    for seed in (3, 3, 4):
        torch.manual_seed(seed)
        outputs.append(dropout(torch.ones(100), 0.5))
    assert torch.equal(outputs[0], outputs[1]) and not torch.equal(outputs[0], outputs[2])


@pytest.mark.parametrize('p', [0, 1])
def test_dropout_of_nothing_and_of_all(p):
    assert torch.equal(dropout(torch.ones(5), p), torch.full((5,), 1.0 - p))


@pytest.mark.parametrize('padded', [False, 'keys', 'queries'])
@pytest.mark.parametrize('cached', [1, 2**18])
def test_attention_with_dropout(padded, cached, monkeypatch):
    torch.manual_seed(0)
    q, k, v = torch.randn(2, 4, 6, 8), torch.randn(2, 4, 9, 8), torch.randn(2, 4, 9, 8)
    mask = None
    if padded:
        mask = torch.ones(2, 1, 1, 9, dtype=torch.bool)
        mask[1, ..., 5:] = False
        if padded == 'queries':  # each query has keys of its own
            mask = mask & (torch.arange(9) != torch.arange(6)[:, None])
    draws = kernels._draws(torch.Size((8, 6, 9)))
    monkeypatch.setattr(kernels, '_draws', lambda shape: draws)
    monkeypatch.setattr(kernels, '_CACHED', cached)  # one head at a time, or all
    kept = (draws.view(2, 4, 6, 9).float() + 2**15) / 2**16 >= 0.25

    def reference(q, k, v):
        scores = q @ k.transpose(2, 3) / 8**0.5
        if padded:
            scores = scores.masked_fill(~mask, float('-inf'))
        return (scores.softmax(-1) * kept / 0.75) @ v

    ours = with_gradients(lambda q, k, v: attention(q, k, v, mask, 0.25), q, k, v)
    for own, theirs in zip(ours, with_gradients(reference, q, k, v)):
        torch.testing.assert_close(own, theirs, rtol=1e-5, atol=1e-5)


def test_attention_without_dropout_is_torchs():
    q, k, v = torch.randn(3, 2, 4, 6, 8).unbind()
    assert torch.equal(attention(q, k, v, None, 0), functional.scaled_dot_product_attention(q, k, v))


def test_layers_keep_their_parameters_and_drop_nothing_in_eval_mode():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(7, 4), nn.Dropout(0.5), nn.Sequential(nn.Linear(4, 2)))
    before, x = dict(model.named_parameters()), torch.randn(3, 7)
    expected = model.eval()(x)
    use_fast_kernels(model)
    assert all(value is before[name] for name, value in model.named_parameters())
    torch.testing.assert_close(model(x), expected)
    assert (model.train()(torch.randn(50, 7))[:, 0] != model.eval()(torch.randn(50, 7))[:, 0]).any()
