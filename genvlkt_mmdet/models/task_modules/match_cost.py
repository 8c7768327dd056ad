"""Costs of matching queries with annotated pairs (section 3.4; QPIC's matching with one cost per HOI class).

The predictions of a batch are (..., Q, k). Its targets, padded to T pairs, are (..., T, k), with the same leading dimensions.
A cost is (..., Q, T). The cost of padding is never read.
"""

from collections.abc import Mapping

import torch
from mmdet.registry import TASK_UTILS
from mmdet.structures.bbox import bbox_cxcywh_to_xyxy, bbox_overlaps
from torch import Tensor

Arrays = Mapping[str, Tensor]


class _WeightedCost:
    def __init__(self, weight: float) -> None:
        self.weight = weight


@TASK_UTILS.register_module()
class HOIClassCost(_WeightedCost):
    """Misfit of HOI probabilities and labels of a pair. Positives and negatives have the same weight.

    ``-( p.t / (sum t + eps) + (1 - p).(1 - t) / (sum (1 - t) + eps) ) / 2`` with p the sigmoid of the logits.

    Args:
        weight (float): Weight of the cost.
        eps (float): Added to the denominators. Defaults to 1e-4.
    """

    def __init__(self, weight: float, eps: float = 1e-4) -> None:
        super().__init__(weight)
        self.eps = eps

    def __call__(self, pred: Arrays, target: Arrays) -> Tensor:
        """Cost from ``hoi_logits`` (..., Q, A) and ``hoi_labels`` (..., T, A): (..., Q, T)."""
        prob = pred['hoi_logits'].sigmoid()
        labels = target['hoi_labels'].to(prob.dtype).transpose(-1, -2)
        others = 1 - labels
        positive = prob @ (labels / (labels.sum(-2, keepdim=True) + self.eps))
        negative = (1 - prob) @ (others / (others.sum(-2, keepdim=True) + self.eps))
        return -self.weight * (positive + negative) / 2


@TASK_UTILS.register_module()
class HOIObjectClassCost(_WeightedCost):
    """Minus the probability of the pair's object class.

    Args:
        weight (float): Weight of the cost.
    """

    def __call__(self, pred: Arrays, target: Arrays) -> Tensor:
        """Cost from ``obj_logits`` (..., Q, O) and ``object_labels`` (..., T): (..., Q, T)."""
        prob = pred['obj_logits'].softmax(-1)
        labels = target['object_labels'].unsqueeze(-2).expand(*prob.shape[:-1], -1)
        return -self.weight * prob.gather(-1, labels)


@TASK_UTILS.register_module()
class HOIPairL1Cost(_WeightedCost):
    """The larger of the human's and the object's L1 distance, cxcywh in [0, 1].

    The object of a pair without object counts 0.

    Args:
        weight (float): Weight of the cost.
    """

    def __call__(self, pred: Arrays, target: Arrays) -> Tensor:
        """Cost from ``human_boxes`` and ``object_boxes``, (..., Q, 4) and (..., T, 4): (..., Q, T)."""
        human = torch.cdist(pred['human_boxes'], target['human_boxes'], p=1)
        obj = torch.cdist(pred['object_boxes'], target['object_boxes'], p=1)
        exists = target['object_boxes'].ne(0).any(-1).unsqueeze(-2)
        return self.weight * torch.maximum(human, obj * exists)


@TASK_UTILS.register_module()
class HOIPairGIoUCost(_WeightedCost):
    """The larger of the human's and the object's negative generalised IoU.

    A pair without object does not ignore its zero box: its object cost is ``-GIoU(object, zero box) - GIoU(human)``,
    as in the authors' code.

    Args:
        weight (float): Weight of the cost.
    """

    def __call__(self, pred: Arrays, target: Arrays) -> Tensor:
        """Cost from ``human_boxes`` and ``object_boxes``, (..., Q, 4) and (..., T, 4) cxcywh: (..., Q, T)."""
        human, obj = (
            -bbox_overlaps(bbox_cxcywh_to_xyxy(pred[key]), bbox_cxcywh_to_xyxy(target[key]), mode='giou')
            for key in ('human_boxes', 'object_boxes')
        )
        missing = target['object_boxes'].eq(0).all(-1).unsqueeze(-2)
        return self.weight * torch.maximum(human, obj + human * missing)
