"""Selection of the triplets of an image."""

from collections.abc import Mapping
from typing import Any

import torch
from mmdet.registry import TASK_UTILS
from torch import Tensor


@TASK_UTILS.register_module()
class TopHOITriplets:
    """The triplets with the highest scores, then NMS within each HOI class (section 3.5).

    Args:
        max_per_img (int): Triplets to keep before NMS. Defaults to 100.
        nms (dict, optional): Config of :class:`HOITripletNMS`. None: no NMS.

    Raises:
        ValueError: If ``max_per_img`` is not at least 1.
    """

    def __init__(self, max_per_img: int = 100, nms: Mapping[str, Any] | None = dict(type='HOITripletNMS')) -> None:
        if not isinstance(max_per_img, int) or isinstance(max_per_img, bool) or max_per_img < 1:
            raise ValueError(f'TopHOITriplets: max_per_img must be a whole number of at least 1, not {max_per_img!r}.')
        self.max_per_img = max_per_img
        self.nms = nms and TASK_UTILS.build(nms)

    def __call__(
        self, scores: Tensor, human_boxes: Tensor, object_boxes: Tensor, object_labels: Tensor, hoi_verbs: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Selects triplets of one image.

        Args:
            scores (Tensor): Score of every query and HOI class, (Q, A).
            human_boxes (Tensor): (Q, 4) xyxy pixels.
            object_boxes (Tensor): (Q, 4) xyxy pixels.
            object_labels (Tensor): Predicted object class, (Q,). Not used here, as in the authors' code.
            hoi_verbs (Tensor): Verb of each HOI class, (A,). Not used here.

        Returns:
            tuple[Tensor, Tensor]: Queries (m,) and HOI classes (m,) of the triplets, best first.
        """
        flat = scores.flatten()
        number = min(self.max_per_img, len(flat))
        # Sorts only what can be among the best (NaN too, so that it is noticed). The sort is stable: equal scores keep the order
        # of queries and classes.
        candidates = (~(flat < flat.topk(number).values[-1])).nonzero()[:, 0]
        best, order = flat[candidates].sort(descending=True, stable=True)
        best, order = best[:number], candidates[order[:number]]
        queries, hois = order // scores.shape[1], order % scores.shape[1]
        if self.nms is not None:
            keep = self.nms(human_boxes[queries], object_boxes[queries], hois, best)
            queries, hois = queries[keep], hois[keep]
        return queries, hois


@TASK_UTILS.register_module()
class VerbHOITriplets:
    """One triplet per query and verb, as in the authors' code for V-COCO's official detections.

    The score of a query's verb is the highest one of the verb's HOI classes. NMS works on whole queries: those of one
    predicted object class compete with the score of their best verb, and a suppressed query loses all its triplets. No other
    triplet is dropped, because V-COCO's evaluation ranks every detected person for every role.

    Args:
        nms (dict, optional): Config of :class:`HOITripletNMS`. None: no NMS.
    """

    def __init__(self, nms: Mapping[str, Any] | None = dict(type='HOITripletNMS')) -> None:
        self.nms = nms and TASK_UTILS.build(nms)

    def __call__(
        self, scores: Tensor, human_boxes: Tensor, object_boxes: Tensor, object_labels: Tensor, hoi_verbs: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Selects triplets of one image, see :meth:`TopHOITriplets.__call__`."""
        verbs = hoi_verbs.unique()
        other_verb = hoi_verbs != verbs[:, None]  # (V, A)
        best, hois = scores[:, None].masked_fill(other_verb, -torch.inf).max(-1)  # (Q, V) each
        queries = torch.arange(len(scores), device=scores.device)
        if self.nms is not None:
            queries = self.nms(human_boxes, object_boxes, object_labels, best.amax(1))
        order = best[queries].flatten().sort(descending=True, stable=True).indices
        return queries.repeat_interleave(len(verbs))[order], hois[queries].flatten()[order]
