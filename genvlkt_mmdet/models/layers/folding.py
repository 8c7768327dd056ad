"""Convolutions with batch norm folded into the weights: for inference, and for training with frozen batch norm."""

from copy import deepcopy
from typing import Any

import torch
from mmcv.cnn import fuse_conv_bn
from mmdet.models.backbones.resnet import BasicBlock, Bottleneck, ResNet
from mmdet.models.layers import ResLayer
from torch import Tensor, nn
from torch.nn.functional import conv2d
from torch.utils.checkpoint import checkpoint

from ..kernels import autocast_dtype, onednn_takes

# Of a convolution: padding, stride, dilation, groups
Geometry = tuple[list[int], list[int], list[int], int]


def _geometry(conv: nn.Conv2d) -> Geometry:
    return list(conv.padding), list(conv.stride), list(conv.dilation), conv.groups


def _fused_conv(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    geometry: Geometry,
    relu: bool,
    residual: Tensor | None = None,
    overwrite: bool = False,
) -> Tensor:
    """A convolution that adds a residual and clips while it writes the output, if oneDNN takes ``x``.

    With ``overwrite``, the output may take the memory of the residual.
    """
    fused = onednn_takes(x)
    if fused and (residual is None or _adds(x)):
        unary = 'relu' if relu else 'none'
        if residual is None:
            return torch.ops.mkldnn._convolution_pointwise(x, weight, bias, *geometry, unary, [], '')
        end = (weight, bias, *geometry, 'add', 1.0, 'relu' if relu else None, [], '')
        # A large output is new memory, which the system fills with zeros first. That takes as long as the convolution.
        if overwrite and residual.is_contiguous(memory_format=torch.channels_last):
            return torch.ops.mkldnn._convolution_pointwise_.binary(residual, x, *end)
        return torch.ops.mkldnn._convolution_pointwise.binary(x, residual, *end)
    if fused:
        y = torch.ops.mkldnn._convolution_pointwise(x, weight, bias, *geometry, 'none', [], '')
    else:
        padding, stride, dilation, groups = geometry
        y = conv2d(x, weight, bias, stride, padding, dilation, groups)
    y = y if residual is None else y.add_(residual)
    return y.relu_() if relu else y


def _adds(x: Tensor) -> bool:
    """Whether oneDNN adds the residual of this input: not, for example, if it has a single pixel."""
    return x.shape[2:].numel() > 1 and x.is_contiguous(memory_format=torch.channels_last)


class _TrainedConv(torch.autograd.Function):
    """:func:`_fused_conv` with gradients."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, residual: Tensor | None, geometry: Geometry, relu: bool
    ) -> Tensor:
        y = _fused_conv(x, weight, bias, geometry, relu, residual)
        ctx.geometry, ctx.relu = geometry, relu
        ctx.save_for_backward(x, weight, y if relu else None)
        return y

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, y = ctx.saved_tensors
        if ctx.relu:
            # In one memory format, or the comparison takes many times as long
            grad = torch.ops.aten.threshold_backward(_like(grad, y), y, 0)
        padding, stride, dilation, groups = ctx.geometry
        needed = ctx.needs_input_grad
        grads = torch.ops.aten.convolution_backward(
            grad, x, weight, weight.shape[:1], stride, padding, dilation, False, [0, 0], groups, list(needed[:3])
        )
        return *grads, grad if needed[3] else None, None, None


def _like(grad: Tensor, y: Tensor) -> Tensor:
    last = y.is_contiguous(memory_format=torch.channels_last)
    return grad.contiguous(memory_format=torch.channels_last if last else torch.contiguous_format)


class FoldedConv(nn.Module):
    """A convolution with an optional residual and ReLU.

    On a CPU it calls oneDNN, which adds and clips while it writes the output, and keeps the weights in oneDNN's own order.

    Args:
        conv (nn.Conv2d): The convolution, after batch norm was folded into it.
        relu (bool): Whether a ReLU follows.
    """

    def __init__(self, conv: nn.Conv2d, relu: bool) -> None:
        super().__init__()
        self.register_buffer('weight', conv.weight.detach().contiguous(memory_format=torch.channels_last))
        self.register_buffer('bias', None if conv.bias is None else conv.bias.detach())
        self.geometry = _geometry(conv)
        self.relu = relu
        self._packed: Tensor | None = None

    def forward(self, x: Tensor, residual: Tensor | None = None, overwrite: bool = False) -> Tensor:
        """The output for ``x`` (B, C, H, W), plus ``residual``, which has its shape and whose memory it may ``overwrite``."""
        weight = self.weight
        if onednn_takes(x):
            if self._packed is None:
                pack = torch.ops.mkldnn._reorder_convolution_weight
                self._packed = pack(weight, *self.geometry, list(x.shape))
            weight = self._packed
        return _fused_conv(x, weight, self.bias, self.geometry, self.relu, residual, overwrite)


class _FoldedBlock(nn.Module):
    """A block of a ResNet: two or three convolutions and the shortcut.

    Args:
        block (nn.Module): The block, without batch norm.
        owns_input (bool): Whether nothing else reads the input, so that the output can take its memory.
    """

    def __init__(self, block: nn.Module, owns_input: bool) -> None:
        super().__init__()
        self.owns_input = owns_input
        convs = [block.conv1, block.conv2, *([block.conv3] if hasattr(block, 'conv3') else [])]
        self.convs = nn.ModuleList(FoldedConv(conv, relu=True) for conv in convs)
        self.shortcut = block.downsample and fold_convs(block.downsample)

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x if self.shortcut is None else self.shortcut(x)
        *first, last = self.convs
        for conv in first:
            x = conv(x)
        return last(x, shortcut, overwrite=self.owns_input or self.shortcut is not None)


def _is_plain(block: nn.Module) -> bool:
    return type(block) in (BasicBlock, Bottleneck) and not (
        getattr(block, 'with_plugins', False) or getattr(block, 'with_dcn', False)
    )


def fold_convs(module: nn.Module) -> nn.Module:
    """Replaces the convolutions inside a module that has no batch norm any more, in place. Returns the module."""
    for name, child in module.named_children():
        if _is_plain(child):
            # Between the blocks of a stage
            owns_input = type(module) is ResLayer and name != '0'
            setattr(module, name, _FoldedBlock(child, owns_input))
        elif type(child) is nn.Conv2d and child.padding_mode == 'zeros' and not isinstance(child.padding, str):
            setattr(module, name, FoldedConv(child, relu=False))
        else:
            fold_convs(child)
    return module


def folded(backbone: nn.Module) -> nn.Module:
    """Makes a copy of a backbone or neck for inference.

    Args:
        backbone (nn.Module): The network. Its frozen or running statistics of batch norm become part of the weights.

    Returns:
        nn.Module: The copy, in eval mode. It computes the same up to rounding.
    """
    copy = deepcopy(backbone)
    copy.eval()  # mmdet's backbones return nothing here
    copy = fold_convs(fuse_conv_bn(copy))
    if type(copy) is ResNet and not copy.deep_stem:
        copy.conv1.relu, copy.relu = True, nn.Identity()
    return copy.requires_grad_(False)


def has_frozen_norm(backbone: nn.Module) -> bool:
    """Whether a backbone is a ResNet whose batch norm neither trains nor counts, as DETR's, so that it can be folded.

    A ResNet with hooks is not folded, because they would not be called.
    """
    return (
        type(backbone) is ResNet
        and not backbone.deep_stem
        and not any(module._forward_hooks or module._forward_pre_hooks for module in backbone.modules())
        and all(_is_plain(block) for name in backbone.res_layers for block in getattr(backbone, name))
        and all(
            type(norm) is nn.BatchNorm2d and not norm.training and not norm.weight.requires_grad
            for norm in backbone.modules()
            if isinstance(norm, nn.modules.batchnorm._BatchNorm)
        )
    )


def forward_with_frozen_norm(backbone: ResNet, images: Tensor) -> tuple[Tensor, ...]:
    """The forward pass of a ResNet with frozen batch norm: the same feature maps and gradients, up to rounding.

    The scale of each norm multiplies the small weights of the convolution before it, not the large feature maps.

    Args:
        backbone (ResNet): See :func:`has_frozen_norm`.
        images (Tensor): (B, 3, H, W).

    Returns:
        tuple[Tensor, ...]: The feature maps of ``out_indices``.
    """
    # The gradients of frozen parts, and their feature maps, are not needed.
    x, outputs = backbone.maxpool(_conv_norm(images, backbone.conv1, backbone.norm1, relu=True)), []
    for i, name in enumerate(backbone.res_layers):
        for j, block in enumerate(getattr(backbone, name)):
            if block.with_cp and x.requires_grad:
                x = checkpoint(_block_forward, block, x, use_reentrant=False)
            else:
                x = _block_forward(block, x, owns_input=j > 0)
        if i in backbone.out_indices:
            outputs.append(x)
    return tuple(outputs)


def _block_forward(block: nn.Module, x: Tensor, owns_input: bool = False) -> Tensor:
    shortcut = x
    if block.downsample is not None:
        *pooling, conv, norm = block.downsample
        shortcut = _conv_norm(nn.Sequential(*pooling)(x), conv, norm)
    number = 3 if isinstance(block, Bottleneck) else 2
    for i in range(1, number):
        x = _conv_norm(x, getattr(block, f'conv{i}'), getattr(block, f'norm{i}'), relu=True)
    conv, norm = getattr(block, f'conv{number}'), getattr(block, f'norm{number}')
    return _conv_norm(x, conv, norm, True, shortcut, overwrite=owns_input or block.downsample is not None)


def _conv_norm(
    x: Tensor,
    conv: nn.Conv2d,
    norm: nn.BatchNorm2d,
    relu: bool = False,
    residual: Tensor | None = None,
    overwrite: bool = False,
) -> Tensor:
    scale = norm.weight / (norm.running_var + norm.eps).sqrt()
    weight = conv.weight * scale[:, None, None, None]
    bias = norm.bias - norm.running_mean * scale
    if (dtype := autocast_dtype(x)) is not None:
        x, weight, bias = x.to(dtype), weight.to(dtype), bias.to(dtype)
    if not torch.is_grad_enabled() or not (x.requires_grad or weight.requires_grad):
        return _fused_conv(x, weight, bias, _geometry(conv), relu, residual, overwrite)
    return _TrainedConv.apply(x, weight, bias, residual, _geometry(conv), relu)
