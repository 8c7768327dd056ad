"""Non-maximum suppression of triplets."""

import numpy as np
import torch
from mmdet.registry import TASK_UTILS
from torch import Tensor

from ...structures import tensor_box_iou
from ...structures.selection import not_suppressed, same_label_pairs


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

    def __call__(
        self,
        human_boxes: Tensor,
        object_boxes: Tensor,
        hoi_labels: Tensor,
        scores: Tensor,
        views: Tensor | None = None,
    ) -> Tensor:
        """Returns the triplets to keep, highest score first. Of equal scores, the first one wins.

        Args:
            human_boxes (Tensor): (n, 4) xyxy pixels.
            object_boxes (Tensor): (n, 4) xyxy pixels.
            hoi_labels (Tensor): (n,) HOI class.
            scores (Tensor): (n,).
            views (Tensor, optional): (n,) the view of the image that each triplet comes from. A triplet is then suppressed only
                by those of other views.

        Returns:
            Tensor: (m,) indices, m <= n.
        """
        best_first = scores.sort(descending=True, stable=True).indices
        # The pairs to compare and the greedy pass are few numbers, so they are found on the CPU, and with numpy, whose calls are
        # shorter.
        winner, loser = same_label_pairs(hoi_labels[best_first].cpu().numpy())
        if views is not None:
            views = views[best_first].cpu().numpy()
            differ = views[winner] != views[loser]
            winner, loser = winner[differ], loser[differ]
        boxes = torch.stack([human_boxes, object_boxes])[:, best_first]
        pairs = boxes[:, torch.from_numpy(np.stack([winner, loser])).to(boxes.device)]  # (2, 2, p, 4)
        human_iou, object_iou = tensor_box_iou(pairs[:, 0], pairs[:, 1])
        rivals = human_iou**self.human_power * object_iou**self.object_power > self.iou_threshold
        rivals = rivals.cpu().numpy()
        keep = not_suppressed(winner[rivals], loser[rivals], len(best_first))
        return best_first[torch.from_numpy(np.flatnonzero(keep)).to(best_first.device)]
