"""Diagnosis of V-COCO's roles, Scenario 1."""

import numpy as np

from ...structures import Triplets, box_iou, has_object
from .diagnosis import (
    ASSOCIATION,
    BOTH_BOXES,
    CORRECT,
    DUPLICATE,
    HUMAN_BOX,
    INTERACTION,
    OBJECT_BOX,
    Diagnosis,
    Rules,
    best_of_candidates,
    falling,
    joined,
)
from .matching import best_matches, equal_rows, first_claims
from .vcoco import Slots, VCOCODetections, VCOCOGroundTruth

VCOCO_RULES: dict[str, Rules] = {
    'official': Rules(mean='annotated', thresholds='area'),
    'diag-hoi': Rules(thresholds='area', right_boxes=False, later_first=True, reduced=False),
}
#: How many detections of an image, highest score first, can be a best match.
_MOST = 100


def diagnose_vcoco(
    dets: VCOCODetections,
    gts: VCOCOGroundTruth,
    slots: Slots,
    boxes: tuple[np.ndarray, np.ndarray] | None = None,
    num_images: int | None = None,
    protocol: str | Rules = 'official',
    iou_threshold: float = 0.5,
) -> Diagnosis:
    """Finds the error of every detected role. The classes are the vocabulary's verbs.

    A detection is compared with the annotated person that its person box overlaps most, as in the evaluation, and with that
    person's object in the role. If there is none, the object box is right if it is empty. A detection is

    - correct, if both are right, the person does the action, and no better detection was matched with it;
    - ``duplicate``, if one was;
    - ``interaction``, if both are right and the person does not do the action: only possible with an empty object box;
    - ``association``, if one is right and the other box matches any annotated box of the image;
    - ``object_box`` or ``human_box``, if the other box matches nothing; ``both_boxes``, if neither is right;
    - not diagnosed, if the actions of the person are not annotated.

    Args:
        dets (VCOCODetections): Detections.
        gts (VCOCOGroundTruth): Ground truth.
        slots (Slots): Action and role of each verb.
        boxes (tuple[np.ndarray, np.ndarray], optional): Image (k,) and box (k, 4) of all annotated boxes of all objects.
            Default: those of the persons and of the roles.
        num_images (int, optional): Number of images. Default: the images with persons or detections.
        protocol (str | Rules): 'official' or 'diag-hoi'. Default: 'official'.
        iou_threshold (float): Smallest IoU of a match. Default: 0.5.

    Raises:
        ValueError: If the protocol is unknown.
    """
    rules = VCOCO_RULES.get(protocol) if isinstance(protocol, str) else protocol
    if rules is None:
        raise ValueError(f"Unknown protocol '{protocol}': for V-COCO choose one of {', '.join(VCOCO_RULES)}.")
    actions = np.array([action for action, _ in slots], dtype=np.int64)
    roles = np.array([slot or 0 for _, slot in slots], dtype=np.int64)
    has_role = np.array([slot is not None for _, slot in slots], dtype=bool)

    # Annotated roles, in the order of person, action and role.
    persons, labels = _annotated_roles(gts, actions, roles, has_role)
    objects = gts.role_boxes[persons, actions[labels], roles[labels]]
    gt = Triplets(gts.images[persons], gts.boxes[persons], objects, labels)
    people = dets.role_persons
    det = Triplets(dets.images[people], dets.boxes[people], dets.role_boxes, dets.role_labels, dets.role_scores)
    n, m = len(det), len(gt)

    best, overlap = best_matches(
        dets.images, gts.images, lambda a, b: np.nan_to_num(box_iou(dets.boxes[a], gts.boxes[b]))
    )
    judged = (best < 0) | gts.annotated[best] if len(gts.images) else np.ones(len(best), dtype=bool)
    counts = has_role[det.labels] & ~np.isnan(dets.role_scores)
    judged = counts & judged[people]
    # `best` is -1, the last person, in an image without persons: then the human box is not right.
    best = best[people]
    human_right = (best >= 0) & (overlap[people] >= iou_threshold)
    target_boxes, acts = np.full((n, 4), np.nan, dtype=np.float32), np.zeros(n, dtype=bool)
    some = np.flatnonzero(best >= 0)
    target_boxes[some] = gts.role_boxes[best[some], actions[det.labels[some]], roles[det.labels[some]]]
    acts[some] = gts.actions[best[some], actions[det.labels[some]]]
    object_right = _object_right(target_boxes, det.object_boxes, iou_threshold)
    errors = np.full(n, BOTH_BOXES, dtype=np.int8)
    if boxes is None:
        known = np.flatnonzero(has_object(gt.object_boxes))
        boxes = np.append(gts.images, gt.images[known]), np.append(gts.boxes, gt.object_boxes[known], axis=0)
    one = np.flatnonzero(human_right & ~object_right)
    errors[one] = np.where(
        _matches_any(det.object_boxes[one], det.images[one], *boxes, iou_threshold), ASSOCIATION, OBJECT_BOX
    )
    one = np.flatnonzero(object_right & ~human_right)
    errors[one] = np.where(
        _matches_any(det.human_boxes[one], det.images[one], *boxes, iou_threshold), ASSOCIATION, HUMAN_BOX
    )
    errors[human_right & object_right] = INTERACTION

    right = np.flatnonzero(human_right & object_right & acts & judged)
    size = len(slots)
    key = persons * size + labels
    target = np.full(n, -1, dtype=np.int64)
    target[right] = np.searchsorted(key, best[right] * size + det.labels[right])
    order = falling(dets.role_scores, rules.later_first)
    claims = np.zeros(n, dtype=bool)
    claims[order] = first_claims(target[order])
    errors[right], errors[claims], errors[~judged] = DUPLICATE, CORRECT, -1
    found = np.full(m, -1, dtype=np.int64)
    found[target[claims]] = np.flatnonzero(claims)

    rank = np.empty(n, dtype=np.int64)
    rank[order] = np.arange(n)
    own = _boxes_of_others(det, counts, rank) if not rules.right_boxes else np.arange(n)
    candidate, of = _candidates(det, gt, own, counts, errors, rank, iou_threshold)
    matched = best_of_candidates(candidate, of, rank, found, gt.images, np.arange(m))
    hit_det, hit_gt = joined(np.where(human_right & judged, best, -1), persons)
    hit = np.flatnonzero(_object_right(gt.object_boxes[hit_gt], det.object_boxes[hit_det], iou_threshold))
    if num_images is None:
        num_images = int(max(gts.images.max(initial=-1), dets.images.max(initial=-1))) + 1
    return Diagnosis(
        dets=det,
        gts=gt,
        errors=errors,
        targets=np.where(errors == CORRECT, target, -1),
        found=found,
        best=matched,
        det_counts=judged,
        gt_counts=np.ones(m, dtype=bool),
        hits=np.column_stack([hit_det[hit], hit_gt[hit]]),
        det_pairs=equal_rows(det.images, *det.human_boxes.T, *det.object_boxes.T)[1],
        gt_pairs=equal_rows(persons, *objects.T)[1],
        verbs=np.arange(size),
        objects=np.zeros(size, dtype=np.int64),
        in_mean=has_role,
        num_images=num_images,
        rules=rules,
    )


def _annotated_roles(
    gts: VCOCOGroundTruth, actions: np.ndarray, roles: np.ndarray, has_role: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Person and verb of every role of every action that a person does, with or without object."""
    verbs = np.flatnonzero(has_role)
    verbs = verbs[np.lexsort((roles[verbs], actions[verbs]))]
    persons, place = np.nonzero(gts.actions[:, actions[verbs]] & gts.annotated[:, None])
    return persons, verbs[place]


def _object_right(gt_boxes: np.ndarray, boxes: np.ndarray, iou_threshold: float) -> np.ndarray:
    """(n,) whether object boxes agree. If there is no annotated one, the other must be empty."""
    return np.where(has_object(gt_boxes), box_iou(gt_boxes, boxes) >= iou_threshold, ~has_object(boxes))


def _matches_any(
    boxes: np.ndarray, images: np.ndarray, gt_images: np.ndarray, gt_boxes: np.ndarray, iou_threshold: float
) -> np.ndarray:
    """(n,) whether each box matches any of its image."""
    return (
        best_matches(images, gt_images, lambda a, b: np.nan_to_num(box_iou(boxes[a], gt_boxes[b])))[1] >= iou_threshold
    )


def _boxes_of_others(dets: Triplets, counts: np.ndarray, rank: np.ndarray) -> np.ndarray:
    """Detection whose boxes the official best match reads in place of each detection's.

    It sorts the scores of an image and a class, but not their boxes: the i-th best detection gets the i-th boxes.
    """
    index = np.flatnonzero(counts)
    listed = index[np.lexsort((index, dets.labels[index], dets.images[index]))]
    ranked = index[np.lexsort((rank[index], dets.labels[index], dets.images[index]))]
    own = np.arange(len(dets))
    own[ranked] = listed
    return own


def _candidates(
    dets: Triplets,
    gts: Triplets,
    own: np.ndarray,
    counts: np.ndarray,
    errors: np.ndarray,
    rank: np.ndarray,
    iou_threshold: float,
) -> tuple[np.ndarray, np.ndarray]:
    """Candidates for the best matches: detections with one of an image's highest scores, and annotations near them."""
    index = np.flatnonzero(counts)
    index = index[np.lexsort((rank[index], dets.images[index]))]
    first = np.searchsorted(dets.images[index], dets.images[index])
    top = index[np.arange(len(index)) - first < _MOST]
    top = top[errors[top] != CORRECT]
    row, gt = joined(dets.images[top], gts.images)
    det = top[row]
    human = box_iou(dets.human_boxes[own[det]], gts.human_boxes[gt]) >= iou_threshold
    close = human | (box_iou(dets.object_boxes[own[det]], gts.object_boxes[gt]) >= iou_threshold)
    return det[close], gt[close]
