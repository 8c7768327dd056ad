"""Focal loss of the HOI classes."""

import torch
from mmdet.registry import MODELS
from torch import Tensor, nn


@MODELS.register_module()
class HOIFocalLoss(nn.Module):
    """CornerNet's focal loss on multi-hot HOI labels, divided by the number of positive labels.

    Args:
        alpha (float): Weight of positives; negatives get ``1 - alpha``.
        gamma (float): Focusing exponent.
        eps (float): Probabilities are clamped to [eps, 1 - eps]. Defaults to 1e-4.
        loss_weight (float): Weight of the loss. Defaults to 1.
    """

    def __init__(self, alpha: float, gamma: float, eps: float = 1e-4, loss_weight: float = 1.0) -> None:
        super().__init__()
        self.alpha = alpha
        self.gamma = gamma
        self.eps = eps
        self.loss_weight = loss_weight

    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Loss of every decoder layer, (L,), from logits (L, ...) and targets in [0, 1] of the same shape.

        Targets are multi-hot labels, or probabilities of them: then it is the expected loss. It is the sum over a layer, divided
        by the sum of its targets if that is above 1, in at least float32.
        """
        # In half precision, 1 - eps is 1, and its loss would be infinite.
        logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
        targets = targets.to(logits.dtype)
        prob = logits.sigmoid().clamp(self.eps, 1 - self.eps)
        loss = targets * self._cost(prob, self.alpha) + (1 - targets) * self._cost(1 - prob, 1 - self.alpha)
        num_positive = targets.flatten(1).sum(1).clamp(min=1)
        return self.loss_weight * loss.flatten(1).sum(1) / num_positive

    def _cost(self, right: Tensor, weight: float) -> Tensor:
        # From the probability of the right answer. One formula serves positives and negatives.
        return -(weight * (1 - right) ** self.gamma * right.log())
