"""Scores, selection and NMS of triplets in numpy, for exported models. The same results as the detector's, ties included."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from .boxes import box_iou


@dataclass(frozen=True)
class TripletNMS:
    """Which triplets suppress each other, see :class:`~genvlkt_mmdet.models.HOITripletNMS`.

    Attributes:
        iou_threshold (float): Threshold.
        human_power (float): Exponent of the humans' IoU.
        object_power (float): Exponent of the objects' IoU.
    """

    iou_threshold: float = 0.7
    human_power: float = 1.0
    object_power: float = 0.5

    def keep(self, human_boxes: np.ndarray, object_boxes: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """Finds the triplets that no better one of their class suppresses.

        Args:
            human_boxes (np.ndarray): (n, 4) xyxy pixels, best triplet first.
            object_boxes (np.ndarray): (n, 4) xyxy pixels.
            labels (np.ndarray): (n,) class.

        Returns:
            np.ndarray: (n,) bool.
        """
        winner, loser = same_label_pairs(labels)
        human_iou = box_iou(human_boxes[winner], human_boxes[loser])
        object_iou = box_iou(object_boxes[winner], object_boxes[loser])
        rivals = human_iou**self.human_power * object_iou**self.object_power > self.iou_threshold
        return not_suppressed(winner[rivals], loser[rivals], len(labels))


@dataclass(frozen=True)
class TripletSelection:
    """Selects the triplets of an image, see :class:`~genvlkt_mmdet.models.TopHOITriplets` and ``VerbHOITriplets``.

    Attributes:
        max_per_img (int | None): Triplets to keep before NMS. None: one triplet per query and verb instead, with NMS between
            queries.
        nms (TripletNMS | None): None: no NMS.
    """

    max_per_img: int | None = 100
    nms: TripletNMS | None = TripletNMS()

    def __call__(
        self,
        scores: np.ndarray,
        human_boxes: np.ndarray,
        object_boxes: np.ndarray,
        object_labels: np.ndarray,
        hoi_verbs: np.ndarray,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Selects.

        Args:
            scores (np.ndarray): Score of every query and HOI class, (Q, A).
            human_boxes (np.ndarray): (Q, 4) xyxy pixels.
            object_boxes (np.ndarray): (Q, 4) xyxy pixels.
            object_labels (np.ndarray): Predicted object class, (Q,).
            hoi_verbs (np.ndarray): Verb of each HOI class, (A,).

        Returns:
            tuple[np.ndarray, np.ndarray]: Queries (m,) and HOI classes (m,) of the triplets, best first. Equal scores keep the
            order of queries and classes.
        """
        if self.max_per_img is None:
            return self._per_verb(scores, human_boxes, object_boxes, object_labels, hoi_verbs)
        flat = scores.ravel()
        number = min(self.max_per_img, flat.size)
        # Sorts only what can be among the best.
        places = np.flatnonzero(flat >= np.partition(flat, -number)[-number])
        queries, hois = np.divmod(places[best_first(flat[places])[:number]], scores.shape[1])
        if self.nms is not None:
            keep = self.nms.keep(human_boxes[queries], object_boxes[queries], hois)
            queries, hois = queries[keep], hois[keep]
        return queries, hois

    def _per_verb(
        self,
        scores: np.ndarray,
        human_boxes: np.ndarray,
        object_boxes: np.ndarray,
        object_labels: np.ndarray,
        hoi_verbs: np.ndarray,
    ) -> tuple[np.ndarray, np.ndarray]:
        classes = [np.flatnonzero(hoi_verbs == verb) for verb in np.unique(hoi_verbs)]
        hois = np.stack([own[scores[:, own].argmax(1)] for own in classes], 1)  # (Q, V)
        best = np.take_along_axis(scores, hois, 1)
        queries = np.arange(len(scores))
        if self.nms is not None:
            order = best_first(best.max(1))
            queries = order[self.nms.keep(human_boxes[order], object_boxes[order], object_labels[order])]
        order = best_first(best[queries].ravel())
        return queries.repeat(len(classes))[order], hois[queries].ravel()[order]


def select_triplets(
    outputs: Mapping[str, np.ndarray],
    size: tuple[int, int],
    hoi_objects: np.ndarray,
    hoi_verbs: np.ndarray,
    no_object: int,
    selection: TripletSelection,
) -> dict[str, np.ndarray]:
    """Makes the triplets of an image from the outputs of the network (section 3.5).

    Args:
        outputs (Mapping): ``hoi_logits`` (Q, A), ``obj_logits`` (Q, O), ``human_boxes`` and ``object_boxes`` (Q, 4), cxcywh in
            [0, 1]. All float32.
        size (tuple[int, int]): Height and width of the image in pixels.
        hoi_objects (np.ndarray): Object of each HOI class, (A,).
        hoi_verbs (np.ndarray): Verb of each HOI class, (A,).
        no_object (int): Index of 'person only'.
        selection (TripletSelection): What is kept.

    Returns:
        dict[str, np.ndarray]: Fields of ``pred_hois``, see :class:`~genvlkt_mmdet.structures.HOIDataSample`.
    """
    logits = outputs['obj_logits']
    scores = _sigmoid(outputs['hoi_logits']) + (_sigmoid(logits) ** 2)[:, hoi_objects]
    height, width = size
    scale = np.array([width, height, width, height], dtype=np.float32)
    human_boxes, object_boxes = (_xyxy(outputs[f'{part}_boxes']) * scale for part in ('human', 'object'))
    object_labels = logits[:, :-1].argmax(1)
    queries, hois = selection(scores, human_boxes, object_boxes, object_labels, hoi_verbs)
    labels = object_labels[queries]
    return dict(
        human_boxes=human_boxes[queries],
        object_boxes=np.where(labels[:, None] == no_object, np.float32(np.nan), object_boxes[queries]),
        object_labels=labels,
        hoi_labels=hois,
        scores=scores[queries, hois],
        query_ids=queries,
    )


def best_first(scores: np.ndarray) -> np.ndarray:
    """Indices that sort by descending score. Equal scores keep their order."""
    return np.argsort(-scores, kind='stable')


def same_label_pairs(labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """All pairs of positions with equal labels, (p,) each. The first position of a pair is smaller, and ascends in a class."""
    order = np.argsort(labels, kind='stable')  # class by class
    ends = np.append(np.flatnonzero(np.diff(labels[order])) + 1, len(order))
    last = np.repeat(ends, np.diff(ends, prepend=0))
    followers = last - np.arange(len(order)) - 1  # positions of the same class that come later
    winner = np.repeat(np.arange(len(order)), followers)
    loser = winner + 1 + np.arange(len(winner)) - np.repeat(np.cumsum(followers) - followers, followers)
    return order[winner], order[loser]


def not_suppressed(winner: np.ndarray, loser: np.ndarray, number: int) -> np.ndarray:
    """Which of ``number`` positions stay, (number,) bool, if each winner that stays itself suppresses its loser, in order."""
    keep = np.ones(number, dtype=bool)
    for i, k in zip(winner.tolist(), loser.tolist(), strict=True):
        if keep[i]:
            keep[k] = False
    return keep


def _sigmoid(x: np.ndarray) -> np.ndarray:
    with np.errstate(over='ignore'):  # exp(-x) is infinite for a very negative x, and the result 0
        return 1 / (1 + np.exp(-x))


def _xyxy(boxes: np.ndarray) -> np.ndarray:
    """Corners of boxes cxcywh."""
    center, half = boxes[:, :2], boxes[:, 2:] * np.float32(0.5)
    return np.concatenate([center - half, center + half], 1)
