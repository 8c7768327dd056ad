"""Non-maximum suppression of triplets."""

from mmdet.registry import TASK_UTILS
from torch import Tensor

from ...structures import tensor_box_iou


@TASK_UTILS.register_module()
class HOITripletNMS:
    """Suppresses, class by class, triplets whose human and object both overlap those of a better one (section 3.5).

    Suppressed is what has ``IoU(humans)^human_power * IoU(objects)^object_power > iou_threshold`` with a better triplet
    of its HOI class that is itself kept.

    Args:
        iou_threshold (float): Threshold. Defaults to 0.7.
        human_power (float): Exponent of the humans' IoU. Defaults to 1.
        object_power (float): Exponent of the objects' IoU. Defaults to 0.5.
    """

    def __init__(self, iou_threshold: float = 0.7, human_power: float = 1.0, object_power: float = 0.5) -> None:
        self.iou_threshold = iou_threshold
        self.human_power = human_power
        self.object_power = object_power

    def __call__(self, human_boxes: Tensor, object_boxes: Tensor, hoi_labels: Tensor, scores: Tensor) -> Tensor:
        """Indices of the triplets to keep, best first; among equal scores the first one wins.

        Args:
            human_boxes (Tensor): (n, 4) xyxy pixels.
            object_boxes (Tensor): (n, 4) xyxy pixels.
            hoi_labels (Tensor): (n,) HOI class.
            scores (Tensor): (n,).

        Returns:
            Tensor: (m,) indices, m <= n.
        """
        order = scores.sort(descending=True, stable=True).indices
        human_boxes, object_boxes, hoi_labels = human_boxes[order], object_boxes[order], hoi_labels[order]
        # With the +1 convention of the HICO-DET evaluation.
        human_iou, object_iou = (tensor_box_iou(boxes[:, None], boxes[None]) for boxes in (human_boxes, object_boxes))
        overlap = human_iou**self.human_power * object_iou**self.object_power
        rivals = (overlap > self.iou_threshold) & (hoi_labels[:, None] == hoi_labels[None])
        # The greedy pass is sequential by nature; rows are few, so it runs on the host.
        rivals = rivals.triu(1).cpu().numpy()
        suppressed = rivals[:0].any(0)
        for i, row in enumerate(rivals):
            if not suppressed[i]:
                suppressed |= row
        return order[order.new_tensor((~suppressed).nonzero()[0])]
