"""Non-maximum suppression of triplets."""

from mmdet.registry import TASK_UTILS
from torch import Tensor

from ...structures import tensor_box_iou


@TASK_UTILS.register_module()
class HOITripletNMS:
    """Removes duplicate triplets of an HOI class (section 3.5).

    A triplet is suppressed if ``IoU(humans)^human_power * IoU(objects)^object_power > iou_threshold`` with a kept triplet of
    its HOI class that has a higher score.

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
        """Returns the triplets to keep, highest score first. Of equal scores, the first one wins.

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
        human_iou, object_iou = (tensor_box_iou(boxes[:, None], boxes[None]) for boxes in (human_boxes, object_boxes))
        overlap = human_iou**self.human_power * object_iou**self.object_power
        rivals = (overlap > self.iou_threshold) & (hoi_labels[:, None] == hoi_labels[None])
        # The greedy pass is sequential and has few rows, so it runs on the CPU.
        rivals = rivals.triu(1).cpu().numpy()
        suppressed = rivals[:0].any(0)
        for i, row in enumerate(rivals):
            if not suppressed[i]:
                suppressed |= row
        return order[order.new_tensor((~suppressed).nonzero()[0])]
