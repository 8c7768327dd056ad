"""Diagnosis of detections of HOI classes: HICO-DET, MiniHOI, custom data."""

from collections.abc import Sequence

import numpy as np

from ...structures import Triplets, has_object
from .diagnosis import (
    ASSOCIATION,
    BOTH_BOXES,
    CORRECT,
    DIAGNOSIS_PROTOCOLS,
    DUPLICATE,
    HUMAN_BOX,
    INTERACTION,
    OBJECT_BOX,
    Diagnosis,
    DiagnosisProtocol,
    Rules,
    best_by,
    best_of_candidates,
    falling,
    joined,
)
from .hico import Protocol, box_overlap
from .matching import equal_rows, first_claims, same_group

HICO_RULES: dict[str, Rules] = {
    'official': Rules(),
    'clean': Rules(
        no_interaction=False, strict_overlap=True, identical='merged', mean='annotated', thresholds='decimal'
    ),
    'diag-hoi': Rules(
        no_interaction=False,
        strict_overlap=True,
        images_without_gt=False,
        identical='shared',
        mean='found',
        thresholds='numpy',
        images_without_detections=False,
    ),
}


def diagnose_hico(
    dets: Triplets,
    gts: Triplets,
    num_images: int,
    hoi_verbs: Sequence[int],
    hoi_objects: Sequence[int],
    boxes: tuple[np.ndarray, np.ndarray, np.ndarray] | None = None,
    person: int = 0,
    no_interaction: int | None = None,
    protocol: DiagnosisProtocol | Rules = 'official',
    iou_threshold: float = 0.5,
) -> Diagnosis:
    """Finds the error of every detection of HOI classes.

    A box matches every annotated box of the same object with an IoU of at least the threshold. In the order of falling scores,
    a detection is

    - correct, if an annotation of its class joins two matched boxes and is free. Of several, the one with the largest overlap
      decides, as in the evaluation;
    - ``duplicate``, if that one is taken;
    - ``interaction``, if only annotations of other verbs join two matched boxes;
    - ``association``, if both boxes match, but no annotation joins them;
    - ``object_box`` or ``human_box``, if the other box matches; ``both_boxes``, if neither does.

    Args:
        dets (Triplets): Detections with scores. An object box of NaN means 'no object'.
        gts (Triplets): Annotated triplets in the order of the file.
        num_images (int): Number of images.
        hoi_verbs (Sequence[int]): (A,) verb of each HOI class.
        hoi_objects (Sequence[int]): (A,) object of each HOI class.
        boxes (tuple[np.ndarray, np.ndarray, np.ndarray], optional): Image (k,), box (k, 4) and object (k,) of all annotated
            boxes. Only those of no triplet matter, since the others are known.
        person (int): Object 'person'. Default: 0.
        no_interaction (int, optional): Verb 'no interaction'.
        protocol (str | Rules): 'official', 'clean' or 'diag-hoi'. Default: 'official'.
        iou_threshold (float): Smallest IoU of a match. Default: 0.5.

    Raises:
        ValueError: If the protocol is unknown, or the detections have no scores.
    """
    rules = HICO_RULES.get(protocol) if isinstance(protocol, str) else protocol
    if rules is None:
        raise ValueError(f"Unknown protocol '{protocol}': choose one of {', '.join(DIAGNOSIS_PROTOCOLS)}.")
    verbs, objects = np.asarray(hoi_verbs, dtype=np.int64), np.asarray(hoi_objects, dtype=np.int64)
    n, m, dropped = len(dets), len(gts), -1 if rules.no_interaction or no_interaction is None else no_interaction
    det_objects, gt_objects = objects[dets.labels], objects[gts.labels]

    # All annotated boxes, each once.
    more = boxes or (np.zeros(0, np.int64), np.zeros((0, 4)), np.zeros(0, np.int64))
    box_images = np.concatenate([gts.images, gts.images, more[0]])
    box_objects = np.concatenate([np.full(m, person), gt_objects, more[2]])
    coordinates = np.concatenate([gts.human_boxes, gts.object_boxes, more[1]])
    first, index = equal_rows(box_images, box_objects, *coordinates.T)
    box_images, box_objects, coordinates = box_images[first], box_objects[first], coordinates[first]
    gt_humans, gt_object_boxes = index[:m], index[m : 2 * m]

    # What counts. Identical annotations have the same slot.
    gt_counts = verbs[gts.labels] != dropped
    same, slot = equal_rows(gt_humans, gt_object_boxes, gts.labels)
    slots = np.arange(m) if rules.identical == 'apart' else same[slot]
    if rules.identical == 'merged':
        gt_counts &= slots == np.arange(m)
    with_gt = np.bincount(gts.images[gt_counts], minlength=num_images) > 0
    det_counts = verbs[dets.labels] != dropped
    if not rules.images_without_gt:
        det_counts &= with_gt[dets.images]
    images = np.where(det_counts, dets.images, -1)

    # Boxes that match.
    mode: Protocol = 'qpic' if rules.strict_overlap else 'official'

    def matches(own: np.ndarray, groups: np.ndarray, theirs: np.ndarray, their_groups: np.ndarray) -> tuple:
        parts = []
        for det, _, number, gt in same_group(groups, their_groups):
            det = np.repeat(det, number)
            overlap = box_overlap(own[det], theirs[gt], mode)
            close = overlap >= iou_threshold
            parts.append((det[close], gt[close], overlap[close]))
        empty = np.zeros(0, dtype=np.int64)
        return tuple(np.concatenate([empty, *column]) for column in zip(*parts)) or (empty, empty, np.zeros(0))

    persons = np.flatnonzero(box_objects == person)
    human_det, human_box, human_iou = matches(dets.human_boxes, images, coordinates[persons], box_images[persons])
    human_box = persons[human_box]
    size = max(objects.max(initial=0), box_objects.max(initial=0)) + 2
    groups = np.where(images >= 0, images * size + det_objects + 1, -1)
    object_det, object_box, _ = matches(dets.object_boxes, groups, coordinates, box_images * size + box_objects + 1)
    human_right = np.zeros(n, dtype=bool)
    human_right[human_det] = True
    object_right = det_counts & ~has_object(dets.object_boxes)  # a detection without object has no wrong box
    object_right[object_det] = True

    # Annotations that join two matched boxes.
    usable = np.flatnonzero(gt_counts)
    row, gt = joined(human_box, gt_humans[usable])
    near_det, near_gt, overlap = human_det[row], usable[gt], human_iou[row]  # the human box matches
    same_object = np.flatnonzero(det_objects[near_det] == gt_objects[near_gt])
    det, gt = near_det[same_object], near_gt[same_object]
    overlap = np.minimum(overlap[same_object], box_overlap(dets.object_boxes[det], gts.object_boxes[gt], mode))
    hit = overlap >= iou_threshold
    det, gt, overlap = det[hit], gt[hit], overlap[hit]
    right = dets.labels[det] == gts.labels[gt]
    target = best_by(det[right], gt[right], overlap[right], n)

    order = falling(dets.detection_scores)
    first_claim = np.zeros(n, dtype=bool)
    first_claim[order] = first_claims(target[order])
    errors = np.full(n, BOTH_BOXES, dtype=np.int8)
    errors[human_right], errors[object_right & ~human_right] = OBJECT_BOX, HUMAN_BOX
    errors[human_right & object_right] = ASSOCIATION
    errors[det] = INTERACTION
    errors[target >= 0] = DUPLICATE
    errors[first_claim] = CORRECT
    errors[~det_counts] = -1
    found = np.full(m, -1, dtype=np.int64)
    found[target[first_claim]] = np.flatnonzero(first_claim)

    # Pairs of boxes, and identical detections.
    _, det_pairs = equal_rows(dets.images, det_objects, *dets.human_boxes.T, *dets.object_boxes.T)
    if rules.identical == 'shared':
        first, group = equal_rows(det_pairs, dets.labels, dets.detection_scores)
        copies = np.flatnonzero(first[group] != np.arange(n))
        originals = first[group[copies]]
        errors[originals[errors[originals] == CORRECT]] = DUPLICATE
        errors[copies] = -1

    # Best matches: by the human box if it matches anything, else by the object box.
    lost = errors > CORRECT
    human = np.flatnonzero(lost[near_det])
    other = np.flatnonzero((lost & ~human_right)[object_det])
    row, other_gt = joined(object_box[other], gt_object_boxes[usable])
    rank = np.empty(n, dtype=np.int64)
    rank[order] = np.arange(n)
    best = best_of_candidates(
        np.append(near_det[human], object_det[other][row]),
        np.append(near_gt[human], usable[other_gt]),
        rank,
        found,
        gts.images,
        slots,
    )
    in_mean = verbs != dropped
    return Diagnosis(
        dets=dets,
        gts=gts,
        errors=errors,
        targets=np.where(errors == CORRECT, target, -1),
        found=found,
        best=best,
        det_counts=det_counts,
        gt_counts=gt_counts,
        hits=np.column_stack([det, gt]),
        det_pairs=det_pairs,
        gt_pairs=equal_rows(gts.images, gt_humans, gt_object_boxes)[1],
        verbs=verbs,
        objects=objects,
        in_mean=in_mean,
        num_images=num_images,
        rules=rules,
    )
