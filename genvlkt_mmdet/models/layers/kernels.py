"""Faster forms of torch's layers on CPUs. They compute the same, up to rounding; on GPUs they are torch's own."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

_STEPS = 2**16  # of a random number of 16 bits


def onednn_takes(x: Tensor) -> bool:
    """Whether oneDNN computes with a tensor of this type on this device."""
    if x.device.type != 'cpu' or torch.compiler.is_compiling() or not torch.backends.mkldnn.is_available():
        return False
    return x.dtype == torch.float32 or (x.dtype == torch.bfloat16 and torch.ops.mkldnn._is_mkldnn_bf16_supported())


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
    if x.dtype != torch.float32 or not onednn_takes(x) or torch.is_autocast_enabled(x.device.type) or not x.numel():
        return functional.linear(x, weight, bias)
    return _OneDNNLinear.apply(x.flatten(0, -2), weight, bias).unflatten(0, x.shape[:-1])


def _dropped(shape: torch.Size, p: float) -> Tensor:
    """Random mask, True with probability ``p``, to 1/65536. Four values come from one draw of the generator."""
    draws = torch.empty(-(-shape.numel() // 4), dtype=torch.int64).random_(-(2**63), None)
    return draws.view(torch.int16)[: shape.numel()].view(shape) < round(p * _STEPS) - _STEPS // 2


class _CPUDropout(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, p: float) -> Tensor:
        ctx.scale, dropped = 1 / (1 - p), _dropped(x.shape, p)
        ctx.save_for_backward(dropped)
        return x.masked_fill(dropped, 0).mul_(ctx.scale)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        (dropped,) = ctx.saved_tensors
        return grad.masked_fill(dropped, 0).mul_(ctx.scale), None


def dropout(x: Tensor, p: float) -> Tensor:
    """``functional.dropout`` in training. On a CPU, torch draws a number for every value, one by one."""
    if p in (0, 1) or x.device.type != 'cpu' or torch.compiler.is_compiling():
        return functional.dropout(x, p)
    return _CPUDropout.apply(x, p)


class _CPUAttention(torch.autograd.Function):
    """Attention with dropout. For it, torch has no fused form on CPUs."""

    @staticmethod
    def forward(ctx: Any, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, p: float) -> Tensor:
        ctx.scale, ctx.keep = q.shape[-1] ** -0.5, 1 - p
        q = q * ctx.scale
        with torch.autocast('cpu', enabled=False):
            scores = q @ k.transpose(-2, -1)
            if mask is not None:
                scores.masked_fill_(~mask, float('-inf'))
            weights = torch.softmax(scores, -1)
            dropped = _dropped(weights.shape, p)
            ctx.save_for_backward(q, k, v, weights, dropped)
            return weights.masked_fill(dropped, 0) @ (v / ctx.keep)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        q, k, v, weights, dropped = ctx.saved_tensors
        grad = grad / ctx.keep
        grad_v = weights.masked_fill(dropped, 0).transpose(-2, -1) @ grad
        grad_weights = (grad @ v.transpose(-2, -1)).masked_fill_(dropped, 0)
        grad_scores = torch._softmax_backward_data(grad_weights, weights, -1, weights.dtype)
        return (grad_scores @ k) * ctx.scale, grad_scores.transpose(-2, -1) @ q, grad_v, None, None


def attention(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, p: float) -> Tensor:
    """``functional.scaled_dot_product_attention``, with dropout ``p`` of the attention weights. Without a key, NaN."""
    if p in (0, 1) or q.device.type != 'cpu' or torch.compiler.is_compiling():
        return functional.scaled_dot_product_attention(q, k, v, mask, p)
    return _CPUAttention.apply(q, k, v, mask, p)


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
