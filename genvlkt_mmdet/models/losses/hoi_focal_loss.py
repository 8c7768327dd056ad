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
        """Loss of every decoder layer, (L,), from logits (L, ...) and multi-hot targets in {0, 1} of the same shape.

        It is the sum over a layer, divided by its number of positives if it has any, in at least float32.
        """
        # In half precision, 1 - eps is 1, and its loss would be infinite.
        logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
        prob = logits.sigmoid().clamp(self.eps, 1 - self.eps)
        positive = targets.eq(1)
        # With the probability of the right answer, one formula serves positives and negatives.
        right = torch.where(positive, prob, 1 - prob)
        weight = torch.where(positive, self.alpha, 1 - self.alpha)
        loss = -(weight * (1 - right) ** self.gamma * right.log()).flatten(1).sum(1)
        num_positive = positive.flatten(1).sum(1).clamp(min=1)
        return self.loss_weight * loss / num_positive
