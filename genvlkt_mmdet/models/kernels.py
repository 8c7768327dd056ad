"""Faster forms of torch's layers on CPUs. They compute the same, up to rounding; on GPUs they are torch's own."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

_STEPS = 2**16  # of a random number of 16 bits
_CACHED = 2**18  # values, 1 MiB in float32


def onednn_takes(x: Tensor) -> bool:
    """Whether oneDNN computes with a tensor of this type on this device."""
    if x.device.type != 'cpu' or torch.compiler.is_compiling() or not torch.backends.mkldnn.is_available():
        return False
    return x.dtype == torch.float32 or (x.dtype == torch.bfloat16 and torch.ops.mkldnn._is_mkldnn_bf16_supported())


def autocast_dtype(x: Tensor) -> torch.dtype | None:
    """Type of the autocast that is on for the device of a tensor. None: it is off, or the device ('meta') has none."""
    kind = x.device.type
    enabled = torch.amp.is_autocast_available(kind) and torch.is_autocast_enabled(kind)
    return torch.get_autocast_dtype(kind) if enabled else None


class _OneDNNLinear(torch.autograd.Function):
    """A linear layer in oneDNN, whose products are faster than those of torch's BLAS on some CPUs."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(x, weight)
        return _product(x, weight, bias)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        needs_x, needs_weight, needs_bias = ctx.needs_input_grad
        return (
            _product(grad, weight.t()) if needs_x else None,
            _product(grad.t(), x.t()) if needs_weight else None,
            grad.sum(0) if needs_bias else None,
        )


def _product(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    return torch.ops.mkldnn._linear_pointwise(x, weight, bias, 'none', [], '')


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """``functional.linear``: (..., I) to (..., O)."""
    # torch itself takes oneDNN for bfloat16, and so for autocast
    if x.dtype != torch.float32 or not onednn_takes(x) or autocast_dtype(x) is not None or not x.numel():
        return functional.linear(x, weight, bias)
    return _OneDNNLinear.apply(x.flatten(0, -2), weight, bias).unflatten(0, x.shape[:-1])


def _draws(shape: torch.Size) -> Tensor:
    """Random int16 of all values. Four come from one draw of the generator, which draws one by one."""
    draws = torch.empty(-(-shape.numel() // 4), dtype=torch.int64).random_(-(2**63), None)
    return draws.view(torch.int16)[: shape.numel()].view(shape)


def _kept(draws: Tensor, p: float, dtype: torch.dtype) -> Tensor:
    """1, or 0 with probability ``p`` (to 1/65536). A product with it is faster than filling a mask."""
    return torch.ge(draws, round(p * _STEPS) - _STEPS // 2, out=torch.empty(draws.shape, dtype=dtype))


class _CPUDropout(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, p: float) -> Tensor:
        draws = _draws(x.shape)
        ctx.p = p
        ctx.save_for_backward(draws)
        return _kept(draws, p, x.dtype).mul_(1 / (1 - p)).mul_(x)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        (draws,) = ctx.saved_tensors
        return _kept(draws, ctx.p, grad.dtype).mul_(1 / (1 - ctx.p)).mul_(grad), None


def dropout(x: Tensor, p: float) -> Tensor:
    """``functional.dropout`` in training. On a CPU, torch draws a number for every value, one by one."""
    if p in (0, 1) or x.device.type != 'cpu' or torch.compiler.is_compiling():
        return functional.dropout(x, p)
    return _CPUDropout.apply(x, p)


class _CPUAttention(torch.autograd.Function):
    """Attention with dropout, some heads at a time: weights that do not fit into the cache take several times as long.

    The weights are not kept for the gradients, but computed again. Shapes: (H, N, D), one H for each head of each image.
    """

    @staticmethod
    def forward(ctx: Any, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, p: float) -> Tensor:
        draws = _draws(torch.Size((*q.shape[:2], k.shape[1])))
        ctx.p = p
        ctx.save_for_backward(q, k, v, mask, draws)
        out = torch.empty_like(q)
        for part in _heads(draws):
            weights = _weights(q[part], k[part], None if mask is None else mask[part])
            torch.bmm(weights.mul_(_kept(draws[part], p, q.dtype)), v[part], out=out[part])
        return out.mul_(1 / (1 - p))

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        q, k, v, mask, draws = ctx.saved_tensors
        grad = grad * (1 / (1 - ctx.p))
        grad_q, grad_k, grad_v = torch.empty_like(q), torch.empty_like(k), torch.empty_like(v)
        for part in _heads(draws):
            weights = _weights(q[part], k[part], None if mask is None else mask[part])
            kept = _kept(draws[part], ctx.p, q.dtype)
            grad_weights = torch.bmm(grad[part], v[part].transpose(1, 2)).mul_(kept)
            torch.bmm(kept.mul_(weights).transpose(1, 2), grad[part], out=grad_v[part])
            grad_scores = torch._softmax_backward_data(grad_weights, weights, -1, q.dtype)
            torch.bmm(grad_scores, k[part], out=grad_q[part])
            torch.bmm(grad_scores.transpose(1, 2), q[part], out=grad_k[part])
        scale = q.shape[-1] ** -0.5
        return grad_q.mul_(scale), grad_k.mul_(scale), grad_v, None, None


def _heads(draws: Tensor) -> Iterator[slice]:
    """Heads that are computed at once."""
    step = max(1, _CACHED // draws[0].numel())
    for start in range(0, len(draws), step):
        yield slice(start, start + step)


def _weights(q: Tensor, k: Tensor, mask: Tensor | None) -> Tensor:
    scores = torch.bmm(q * q.shape[-1] ** -0.5, k.transpose(1, 2))
    return torch.softmax(scores if mask is None else scores.masked_fill_(~mask, float('-inf')), -1)


def attention(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, p: float) -> Tensor:
    """``functional.scaled_dot_product_attention`` with dropout ``p`` of the attention weights.

    Args:
        q (Tensor): (B, H, N, D).
        k (Tensor): (B, H, K, D).
        v (Tensor): (B, H, K, D).
        mask (Tensor, optional): (B, 1, 1, K) or (B, 1, N, K), False where a key is left out. At least one remains.
        p (float): Probability.

    Returns:
        Tensor: (B, H, N, D).
    """
    if p in (0, 1) or q.device.type != 'cpu' or torch.compiler.is_compiling():
        return functional.scaled_dot_product_attention(q, k, v, mask, p)
    if mask is not None:
        mask = mask.expand(-1, q.shape[1], -1, -1).flatten(0, 1)
    # torch has no fused form with dropout on CPUs
    with torch.autocast('cpu', enabled=False):
        return _CPUAttention.apply(q.flatten(0, 1), k.flatten(0, 1), v.flatten(0, 1), mask, p).unflatten(0, q.shape[:2])


class Linear(nn.Linear):
    """``nn.Linear`` through :func:`linear`."""

    def forward(self, x: Tensor) -> Tensor:
        """Maps (..., I) to (..., O)."""
        return linear(x, self.weight, self.bias)


class Dropout(nn.Dropout):
    """``nn.Dropout`` through :func:`dropout`."""

    def forward(self, x: Tensor) -> Tensor:
        """Drops values in training."""
        return dropout(x, self.p) if self.training else x


def use_fast_kernels(module: nn.Module) -> None:
    """Makes linear layers and dropouts inside a module use the functions of this file. Parameters stay what they are."""
    for part in module.modules():
        if isinstance(part, nn.Linear):
            part.__class__ = Linear
        elif isinstance(part, nn.Dropout):
            part.__class__ = Dropout
