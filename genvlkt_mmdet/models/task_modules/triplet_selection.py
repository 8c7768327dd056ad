"""Selection of the triplets of each image."""

from collections.abc import Mapping
from typing import Any

import torch
from mmdet.registry import TASK_UTILS
from torch import Tensor

Selection = tuple[Tensor, Tensor, Tensor]


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
    ) -> Selection:
        """Selects the triplets of B images.

        Args:
            scores (Tensor): Score of every query and HOI class, (B, Q, A).
            human_boxes (Tensor): (B, Q, 4) xyxy pixels.
            object_boxes (Tensor): (B, Q, 4) xyxy pixels.
            object_labels (Tensor): Predicted object class, (B, Q). Not used here, as in the authors' code.
            hoi_verbs (Tensor): Verb of each HOI class, (A,). Not used here.

        Returns:
            tuple[Tensor, Tensor, Tensor]: Images (m,), queries (m,) and HOI classes (m,) of the triplets, image by image and
            best first.
        """
        flat = scores.flatten(1)
        number = min(self.max_per_img, flat.shape[1])
        # Sorts only what can be among the best (NaN too, so that it is noticed). The sort is stable: equal scores keep the order
        # of queries and classes.
        images, places = (~(flat < flat.topk(number).values[:, -1:])).nonzero(as_tuple=True)
        values = flat[images, places]
        order = _best_first(images, values)
        starts = images.bincount(minlength=len(flat)).cumsum(0).roll(1)
        starts[:1] = 0
        order = order[(starts[:, None] + torch.arange(number, device=flat.device)).flatten()]
        images, places, values = images[order], places[order], values[order]
        queries, hois = places // scores.shape[2], places % scores.shape[2]
        if self.nms is not None:
            # Triplets of different images are of different classes.
            labels = hois * len(scores) + images
            keep = self.nms(human_boxes[images, queries], object_boxes[images, queries], labels, values)
            keep = keep.sort().values
            images, queries, hois = images[keep], queries[keep], hois[keep]
        return images, queries, hois


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
    ) -> Selection:
        """Selects the triplets of B images, see :meth:`TopHOITriplets.__call__`."""
        verbs = hoi_verbs.unique()
        other_verb = hoi_verbs != verbs[:, None]  # (V, A)
        # The classes of each verb, filled up with others: (V, most classes of a verb)
        classes = other_verb.sort(stable=True).indices[:, : int((~other_verb).sum(1).max())]
        best, index = scores[..., classes].masked_fill(other_verb.gather(1, classes), -torch.inf).max(-1)  # (B, Q, V)
        hois = classes.expand(*index.shape, -1).gather(-1, index[..., None])[..., 0]
        num_images, num_queries = scores.shape[:2]
        pairs = torch.arange(num_images * num_queries, device=scores.device)
        if self.nms is not None:
            # Queries of different images are of different classes.
            labels = (object_labels * num_images + torch.arange(num_images, device=scores.device)[:, None]).flatten()
            pairs = self.nms(human_boxes.flatten(0, 1), object_boxes.flatten(0, 1), labels, best.amax(-1).flatten())
        images = (pairs // num_queries).repeat_interleave(len(verbs))
        order = _best_first(images, best.flatten(0, 1)[pairs].flatten())
        queries = (pairs % num_queries).repeat_interleave(len(verbs))
        return images[order], queries[order], hois.flatten(0, 1)[pairs].flatten()[order]


def _best_first(images: Tensor, scores: Tensor) -> Tensor:
    """Indices that sort by image, then by descending score. Equal scores keep their order."""
    order = scores.sort(descending=True, stable=True).indices
    return order[images[order].sort(stable=True).indices]
