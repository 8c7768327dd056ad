"""From the scores of all queries and HOI classes to the triplets of an image."""

from collections.abc import Mapping
from typing import Any

import torch
from mmdet.registry import TASK_UTILS
from torch import Tensor


@TASK_UTILS.register_module()
class TopHOITriplets:
    """The best triplets of an image, then NMS within each HOI class (section 3.5).

    Args:
        max_per_img (int): Triplets to keep before NMS. Defaults to 100.
        nms (dict, optional): Config of :class:`HOITripletNMS`; None for no NMS.

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
            object_labels (Tensor): Not used, as in the authors' code: every class of a query competes.
            hoi_verbs (Tensor): Not used.

        Returns:
            tuple[Tensor, Tensor]: Queries (m,) and HOI classes (m,) of the triplets, best first.
        """
        # A stable sort: equal scores keep the order of queries and classes, and none is taken twice.
        best, order = scores.flatten().sort(descending=True, stable=True)
        best, order = best[: self.max_per_img], order[: self.max_per_img]
        queries, hois = order // scores.shape[1], order % scores.shape[1]
        if self.nms is not None:
            keep = self.nms(human_boxes[queries], object_boxes[queries], hois, best)
            queries, hois = queries[keep], hois[keep]
        return queries, hois


@TASK_UTILS.register_module()
class VerbHOITriplets:
    """One triplet per query and verb, the way the authors write V-COCO's official detections.

    A verb of a query scores as the best of the verb's HOI classes. NMS works on whole queries: those of one predicted
    object class compete with the score of their best verb, and a suppressed query loses all its triplets. No other
    triplet is dropped, since V-COCO's evaluation ranks every detected person for every role.

    Args:
        nms (dict, optional): Config of :class:`HOITripletNMS`; None for no NMS.
    """

    def __init__(self, nms: Mapping[str, Any] | None = dict(type='HOITripletNMS')) -> None:
        self.nms = nms and TASK_UTILS.build(nms)

    def __call__(
        self, scores: Tensor, human_boxes: Tensor, object_boxes: Tensor, object_labels: Tensor, hoi_verbs: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Selects triplets of one image.

        Args:
            scores (Tensor): Score of every query and HOI class, (Q, A).
            human_boxes (Tensor): (Q, 4) xyxy pixels.
            object_boxes (Tensor): (Q, 4) xyxy pixels.
            object_labels (Tensor): Predicted object class, (Q,).
            hoi_verbs (Tensor): Verb index of each HOI class, (A,).

        Returns:
            tuple[Tensor, Tensor]: Queries (m,) and HOI classes (m,) of the triplets, best first.
        """
        verbs = hoi_verbs.unique()
        other_verb = hoi_verbs != verbs[:, None]  # (V, A)
        best, hois = scores[:, None].masked_fill(other_verb, -torch.inf).max(-1)  # (Q, V) each
        queries = torch.arange(len(scores), device=scores.device)
        if self.nms is not None:
            queries = self.nms(human_boxes, object_boxes, object_labels, best.amax(1))
        order = best[queries].flatten().sort(descending=True, stable=True).indices
        return queries.repeat_interleave(len(verbs))[order], hois[queries].flatten()[order]
