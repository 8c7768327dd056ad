"""The frozen CLIP image encoder that the interaction decoder learns to mimic."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from ..kernels import use_fast_kernels
from .clip_source import CLIPSource, image_transform


class CLIPTeacher(nn.Module):
    """Frozen image encoder of a CLIP model: the target of the mimic loss (GEN-VLKT, Sec. 3.3, Eq. 9).

    It is always in eval mode and has no gradients. On a GPU it runs in float16. On a CPU it runs in float32, until it gets images
    in bfloat16: from then on in bfloat16. Its owner keeps it out of its own
    submodules, so that it is neither saved, nor optimised, nor wrapped by DistributedDataParallel.

    Args:
        visual (nn.Module): Image encoder, from (B, 3, S, S) to (B, D).
        image_size (int): S in pixels.
    """

    def __init__(self, visual: nn.Module, image_size: int) -> None:
        super().__init__()
        self.visual = visual
        self.image_size = image_size
        self.requires_grad_(False)
        self.train(False)
        use_fast_kernels(self.visual)

    def train(self, mode: bool = True) -> 'CLIPTeacher':
        """Stays in eval mode."""
        return super().train(False)

    def requires_grad_(self, requires_grad: bool = True) -> 'CLIPTeacher':
        """Stays frozen."""
        return super().requires_grad_(False)

    def _apply(self, fn, recurse: bool = True) -> 'CLIPTeacher':
        super()._apply(fn, recurse)
        parameter = next(self.parameters())
        wanted = torch.float16 if parameter.is_cuda else torch.float32
        if parameter.is_floating_point() and parameter.dtype != wanted:
            super()._apply(lambda t: t.to(wanted) if t.is_floating_point() else t, recurse)
        return self

    @torch.no_grad()
    def forward(self, images: Tensor) -> Tensor:
        """Embeds images (B, 3, S, S), normalised for the CLIP model: (B, D), float32, not normalised."""
        size = (3, self.image_size, self.image_size)
        if tuple(images.shape[1:]) != size:
            raise ValueError(
                f'The CLIP teacher takes images of shape {size}, not {tuple(images.shape[1:])}: set the size of the '
                f"pipeline's CLIP image to {self.image_size}."
            )
        if images.dtype == torch.bfloat16 and images.device.type == 'cpu':
            self.visual.to(images.dtype)
        dtype = next(self.parameters()).dtype
        # Autocast is for the student only.
        with torch.autocast(images.device.type, enabled=False):
            features = self.visual(images.to(dtype))
        if isinstance(features, tuple):  # some encoders return their tokens as well
            features = features[0]
        return features.float()


def build_teacher(clip: Mapping[str, Any] | str | CLIPSource) -> CLIPTeacher:
    """Makes the teacher of a ``clip`` setting, on the CPU. See :meth:`CLIPSource.from_cfg` for settings and errors."""
    source = CLIPSource.from_cfg(clip)
    return CLIPTeacher(source.load_model().visual, image_transform(source)['size'])
