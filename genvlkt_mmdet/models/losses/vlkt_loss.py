"""Visual-linguistic knowledge transfer: the interaction features mimic CLIP's view of the image."""

from collections.abc import Mapping
from typing import Any

import torch
from mmdet.registry import MODELS
from torch import Tensor, nn

from ..vlkt import CLIPSource, build_teacher


@MODELS.register_module()
class VLKTLoss(nn.Module):
    """Mimic loss between interaction features and the CLIP image embedding (section 3.3, "visual mimic").

    The student is the mean of the interaction features over the queries, the target the embedding of the image, both before
    normalisation. The teacher runs once per image. It is no submodule, so it is not part of the state dict, the optimiser or
    DDP.

    Args:
        clip (dict): Required. CLIP model that teaches, see :func:`genvlkt_mmdet.models.vlkt.build_teacher`. It is loaded at
            the first loss, unless :attr:`teacher` was set before.
        distance (str): ``'l1'``, ``'l2'`` (mean squared error) or ``'l1+l2'`` (their sum), Table 4c. Defaults to
            ``'l1'``.
        loss_weight (float): Weight of the loss. Defaults to 1.

    Attributes:
        teacher (nn.Module, optional): Any module from (B, 3, S, S) to (B, D).
    """

    _distances = {'l1': ('l1_loss',), 'l2': ('mse_loss',), 'l1+l2': ('l1_loss', 'mse_loss')}

    def __init__(self, clip: Mapping[str, Any] | None = None, distance: str = 'l1', loss_weight: float = 1.0) -> None:
        super().__init__()
        if distance not in self._distances:
            raise ValueError(f"VLKTLoss: distance is one of {', '.join(self._distances)}, not '{distance}'.")
        if clip is None:
            raise ValueError(
                'VLKTLoss: no CLIP model to learn from; set model.bbox_head.loss_mimic.clip, or model.bbox_head.loss_mimic=None '
                'to train without a teacher.'
            )
        self.clip = clip
        self.distance = distance
        self.loss_weight = loss_weight
        self.teacher = None

    def __setattr__(self, name: str, value: Any) -> None:
        if name == 'teacher':
            self.__dict__[name] = value  # not through nn.Module, which would register it as a sub-module
        else:
            super().__setattr__(name, value)

    def _teacher_on(self, device: torch.device) -> nn.Module:
        parameter = next(self.teacher.parameters(), None)
        if parameter is not None and parameter.device != device:
            self.teacher.to(device)
        return self.teacher

    def check_files(self) -> None:
        """Raises a FileNotFoundError if the teacher's weights are not on this machine and cannot be downloaded."""
        if self.teacher is None:
            CLIPSource.from_cfg(self.clip).need_weights()

    def forward(self, hoi_embeds: Tensor, clip_images: Tensor) -> Tensor:
        """Loss of every decoder layer, (L,).

        Args:
            hoi_embeds (Tensor): Interaction features before L2 normalisation, (L, B, Q, D).
            clip_images (Tensor): (B, 3, S, S), normalised for CLIP.

        Raises:
            ValueError: If the embedding and the features differ in width.
        """
        if self.teacher is None:
            self.teacher = build_teacher(self.clip)
        with torch.no_grad():
            target = self._teacher_on(clip_images.device)(clip_images).float()
        student = hoi_embeds.float().mean(2)
        if target.shape != student.shape[1:]:
            raise ValueError(
                f'The CLIP teacher gives {tuple(target.shape)} for interaction features of {tuple(student.shape[1:])}: '
                'set clip_dims of both text classifiers to the embedding width of their clip.'
            )
        target = target.expand_as(student)
        losses = [
            getattr(nn.functional, name)(student, target, reduction='none').flatten(1).mean(1)
            for name in self._distances[self.distance]
        ]
        return self.loss_weight * sum(losses)
