"""Training in bfloat16, on GPUs and CPUs."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from mmengine.optim import OptimWrapper
from mmengine.registry import OPTIM_WRAPPERS
from torch import nn

from .preflight import has_accelerator


def computes_bfloat16() -> bool:
    """Whether the GPU, or the CPU of a machine without one, has instructions for bfloat16."""
    if has_accelerator():
        return torch.cuda.is_available() and torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.backends.mkldnn.is_available() and torch.ops.mkldnn._is_mkldnn_bf16_supported()


@OPTIM_WRAPPERS.register_module()
class BFloat16OptimWrapper(OptimWrapper):
    """mmengine's OptimWrapper whose forward pass runs under autocast to bfloat16, on any device.

    bfloat16 has the range of float32, so the loss needs no scale, in contrast to float16 (``AmpOptimWrapper``).
    """

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        """Context of the forward pass."""
        device = next(model.parameters()).device.type
        with super().optim_context(model), torch.autocast(device, torch.bfloat16):
            yield
