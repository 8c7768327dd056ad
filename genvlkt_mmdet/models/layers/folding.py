"""Convolutions with batch norm folded into the weights: for inference, and for training with frozen batch norm."""

from copy import deepcopy

import torch
from mmcv.cnn import fuse_conv_bn
from mmdet.models.backbones.resnet import BasicBlock, Bottleneck, ResNet
from torch import Tensor, nn
from torch.nn.functional import conv2d
from torch.utils.checkpoint import checkpoint


def _onednn_takes(x: Tensor) -> bool:
    if x.device.type != 'cpu' or not torch.backends.mkldnn.is_available():
        return False
    return x.dtype == torch.float32 or (x.dtype == torch.bfloat16 and torch.ops.mkldnn._is_mkldnn_bf16_supported())


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
        self.geometry = list(conv.padding), list(conv.stride), list(conv.dilation), conv.groups
        self.relu = relu
        self._packed: Tensor | None = None

    def forward(self, x: Tensor, residual: Tensor | None = None) -> Tensor:
        """The output for ``x`` (B, C, H, W), plus ``residual``, which has its shape."""
        padding, stride, dilation, groups = self.geometry
        if torch.compiler.is_compiling() or not _onednn_takes(x):
            y = conv2d(x, self.weight, self.bias, stride, padding, dilation, groups)
            y = y if residual is None else y.add_(residual)
            return y.relu_() if self.relu else y
        if self._packed is None:
            pack = torch.ops.mkldnn._reorder_convolution_weight
            self._packed = pack(self.weight, padding, stride, dilation, groups, list(x.shape))
        where = (self._packed, self.bias, padding, stride, dilation, groups)
        if residual is None:
            return torch.ops.mkldnn._convolution_pointwise(x, *where, 'relu' if self.relu else 'none', [], '')
        then = 'relu' if self.relu else None
        return torch.ops.mkldnn._convolution_pointwise.binary(x, residual, *where, 'add', 1.0, then, [], '')


class _FoldedBlock(nn.Module):
    """A block of a ResNet: two or three convolutions and the shortcut."""

    def __init__(self, block: nn.Module) -> None:
        super().__init__()
        convs = [block.conv1, block.conv2, *([block.conv3] if hasattr(block, 'conv3') else [])]
        self.convs = nn.ModuleList(FoldedConv(conv, relu=True) for conv in convs)
        self.shortcut = block.downsample and fold_convs(block.downsample)

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x if self.shortcut is None else self.shortcut(x)
        *first, last = self.convs
        for conv in first:
            x = conv(x)
        return last(x, shortcut)


def _is_plain(block: nn.Module) -> bool:
    return type(block) in (BasicBlock, Bottleneck) and not (
        getattr(block, 'with_plugins', False) or getattr(block, 'with_dcn', False)
    )


def fold_convs(module: nn.Module) -> nn.Module:
    """Replaces the convolutions inside a module that has no batch norm any more, in place. Returns the module."""
    for name, child in module.named_children():
        if _is_plain(child):
            setattr(module, name, _FoldedBlock(child))
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
    x, outputs = backbone.maxpool(_conv_norm(images, backbone.conv1, backbone.norm1).relu_()), []
    for i, name in enumerate(backbone.res_layers):
        for block in getattr(backbone, name):
            if block.with_cp and x.requires_grad:
                x = checkpoint(_block_forward, block, x, use_reentrant=False)
            else:
                x = _block_forward(block, x)
        if i in backbone.out_indices:
            outputs.append(x)
    return tuple(outputs)


def _block_forward(block: nn.Module, x: Tensor) -> Tensor:
    shortcut = x
    if block.downsample is not None:
        *pooling, conv, norm = block.downsample
        shortcut = _conv_norm(nn.Sequential(*pooling)(x), conv, norm)
    number = 3 if isinstance(block, Bottleneck) else 2
    for i in range(1, number):
        x = _conv_norm(x, getattr(block, f'conv{i}'), getattr(block, f'norm{i}')).relu_()
    return _conv_norm(x, getattr(block, f'conv{number}'), getattr(block, f'norm{number}')).add_(shortcut).relu_()


def _conv_norm(x: Tensor, conv: nn.Conv2d, norm: nn.BatchNorm2d) -> Tensor:
    scale = norm.weight / (norm.running_var + norm.eps).sqrt()
    weight = conv.weight * scale[:, None, None, None]
    bias = norm.bias - norm.running_mean * scale
    return conv2d(x, weight, bias, conv.stride, conv.padding, conv.dilation, conv.groups)
