"""The V-COCO evaluation, equal to the official ``vsrl_eval.py``."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...structures import GroundTruth, Persons, Triplets, box_iou, has_object, zeros_to_no_object
from .average_precision import area_ap, mean_ap, none_if_nan, precision_recall
from .matching import best_matches, equal_rows, first_claims, ranking

#: Action and role of each verb of the vocabulary: the action's index and which of its roles (0 or 1) the verb names,
#: None for an action without object.
Slots = Sequence[tuple[int, int | None]]
_NOBODY = Persons(np.zeros((0, 4), np.float32), np.zeros(0, bool), np.zeros(0, np.int64))


@dataclass(frozen=True, eq=False)
class VCOCOGroundTruth:
    """The annotated persons of a split. Boxes are float32, as in the official program.

    Attributes:
        images (np.ndarray): (P,) image of each person.
        boxes (np.ndarray): (P, 4) their boxes, xyxy pixels.
        annotated (np.ndarray): (P,) bool, False for a person whose actions were not annotated.
        actions (np.ndarray): (P, K) bool, the actions of each person.
        role_boxes (np.ndarray): (P, K, 2, 4) object box of each role of each action. NaN: no object.
    """

    images: np.ndarray
    boxes: np.ndarray
    annotated: np.ndarray
    actions: np.ndarray
    role_boxes: np.ndarray

    @classmethod
    def from_images(cls, entries: Sequence[GroundTruth], slots: Slots) -> 'VCOCOGroundTruth':
        """Joins the ground truth of images. Entry i becomes image i.

        Args:
            entries (Sequence[GroundTruth]): Triplets of verbs and persons of each image. If a person has several objects in
                one role, the first is used.
            slots (Slots): Action and role of each verb.
        """
        persons = [entry.persons or _NOBODY for entry in entries]
        counts = [len(part.boxes) for part in persons]
        total, num_actions = sum(counts), max((action for action, _ in slots), default=-1) + 1
        actions = np.zeros((total, num_actions), dtype=bool)
        role_boxes = np.full((total, num_actions, 2, 4), np.nan, dtype=np.float32)
        for start, part, entry in zip(np.cumsum(counts) - counts, persons, entries, strict=True):
            triplets = entry.triplets
            for person, verb, box in zip(start + part.of_triplets, triplets.labels, triplets.object_boxes):
                action, slot = slots[verb]
                actions[person, action] = True
                if slot is not None and not has_object(role_boxes[person, action, slot]):
                    role_boxes[person, action, slot] = box
        return cls(
            images=np.repeat(np.arange(len(entries)), counts),
            boxes=np.concatenate([_NOBODY.boxes, *(part.boxes for part in persons)]).astype(np.float32),
            annotated=np.concatenate([_NOBODY.annotated, *(part.annotated for part in persons)]),
            actions=actions,
            role_boxes=role_boxes,
        )


@dataclass(frozen=True, eq=False)
class VCOCODetections:
    """Detected persons with their actions and roles. Numbers are float32, as in the official program.

    Attributes:
        images (np.ndarray): (n,) image of each detected person.
        boxes (np.ndarray): (n, 4) their boxes, xyxy pixels.
        role_persons (np.ndarray): (r,) person of each detected role.
        role_labels (np.ndarray): (r,) its verb, an index of the vocabulary's (action, role) classes.
        role_boxes (np.ndarray): (r, 4) its object box. NaN: no object.
        role_scores (np.ndarray): (r,) its score.
        agent_persons (np.ndarray): (a,) person of each detected action.
        agent_actions (np.ndarray): (a,) the action.
        agent_scores (np.ndarray): (a,) its score.
    """

    images: np.ndarray
    boxes: np.ndarray
    role_persons: np.ndarray
    role_labels: np.ndarray
    role_boxes: np.ndarray
    role_scores: np.ndarray
    agent_persons: np.ndarray
    agent_actions: np.ndarray
    agent_scores: np.ndarray

    @classmethod
    def from_triplets(cls, triplets: Triplets, slots: Slots) -> 'VCOCODetections':
        """Converts triplets of (action, role) classes.

        Triplets of an image with equal human and object boxes become one detected person. Its score for an action is the
        highest score of the action's roles.

        Args:
            triplets (Triplets): Their labels are verbs. An object box of NaN or zeros means 'no object'.
            slots (Slots): Action and role of each verb.
        """
        humans = triplets.human_boxes.astype(np.float32)
        objects = zeros_to_no_object(triplets.object_boxes.astype(np.float32))
        scores = triplets.detection_scores.astype(np.float32)
        first, persons = equal_rows(triplets.images, *humans.T, *objects.T)
        actions = np.array([action for action, _ in slots])[triplets.labels]
        has_role = np.array([slot is not None for _, slot in slots])[triplets.labels]
        pair_first, pairs = equal_rows(persons, actions)
        agent_scores = np.full(len(pair_first), -np.inf, dtype=np.float32)
        np.maximum.at(agent_scores, pairs, scores)
        return cls(
            images=triplets.images[first],
            boxes=humans[first],
            role_persons=persons[has_role],
            role_labels=triplets.labels[has_role],
            role_boxes=objects[has_role],
            role_scores=scores[has_role],
            agent_persons=persons[pair_first],
            agent_actions=actions[pair_first],
            agent_scores=agent_scores,
        )


def evaluate_vcoco(
    dets: VCOCODetections, gts: VCOCOGroundTruth, slots: Slots, iou_threshold: float = 0.5
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Evaluates detections of a whole split.

    1. A detection is compared with the annotated person of its image that its person box overlaps most. If the actions of
       that person are not annotated, the detection is ignored.
    2. A role is correct if that person does the action, the IoU of both boxes reaches the threshold, and no better detection
       was matched with the person for this role.
    3. If the annotated role has no object, Scenario 1 requires an empty object box; Scenario 2 accepts any box.
    4. Recall counts the persons that do the action.
    5. In an image without persons, where the official program fails, all detections are wrong.

    Args:
        dets (VCOCODetections): Detections.
        gts (VCOCOGroundTruth): Ground truth.
        slots (Slots): Action and role of each verb.
        iou_threshold (float): Smallest IoU of a match. Default: 0.5.

    Returns:
        tuple[np.ndarray, np.ndarray, np.ndarray]: AP of every verb in Scenario 1 and in Scenario 2 (NaN if the verb has
        no role or nobody does it), and agent AP of every action (NaN if nobody does it).
    """
    num_gt = gts.actions[gts.annotated].sum(axis=0)

    best, overlap = best_matches(
        dets.images, gts.images, lambda det, gt: np.nan_to_num(box_iou(dets.boxes[det], gts.boxes[gt]))
    )
    judged = (best < 0) | gts.annotated[best] if len(gts.images) else np.ones(len(best), dtype=bool)
    found = (best >= 0) & (overlap >= iou_threshold)

    def judge(persons: np.ndarray, labels: np.ndarray, scores: np.ndarray, actions: np.ndarray) -> tuple:
        """Ranks the detections that count and finds those whose person does the action of the label."""
        keep = np.flatnonzero(judged[persons] & ~np.isnan(scores))
        order = keep[ranking(labels[keep], scores[keep], dets.images[persons[keep]])]
        persons, labels = persons[order], labels[order]
        right = found[persons]
        right[right] = gts.actions[best[persons[right]], actions[labels[right]]]
        return order, best[persons], labels, right

    _, targets, labels, right = judge(dets.agent_persons, dets.agent_actions, dets.agent_scores, np.arange(len(num_gt)))
    agent = _average_precisions(labels, right, targets, num_gt)

    actions = np.array([action for action, _ in slots], dtype=np.int64)
    role_gt = np.array([num_gt[action] if slot is not None else 0 for action, slot in slots])
    order, targets, labels, right = judge(dets.role_persons, dets.role_labels, dets.role_scores, actions)
    at = np.flatnonzero(right)
    roles = np.array([slot or 0 for _, slot in slots])[labels[at]]
    boxes, gt_boxes = dets.role_boxes[order[at]], gts.role_boxes[targets[at], actions[labels[at]], roles]
    no_object, empty = ~has_object(gt_boxes), ~has_object(boxes)
    agrees = box_iou(gt_boxes, boxes) >= iou_threshold
    scenarios = []
    for without_object in (empty, True):
        right[at] = np.where(no_object, without_object, agrees)
        scenarios.append(_average_precisions(labels, right, targets, role_gt))
    return scenarios[0], scenarios[1], agent


def summarize_vcoco(
    dets: VCOCODetections, gts: VCOCOGroundTruth, verbs: Sequence[str], actions: Sequence[str], slots: Slots
) -> dict[str, dict]:
    """Evaluates a split and returns all its numbers as plain dictionaries and lists.

    Args:
        dets (VCOCODetections): Detections.
        gts (VCOCOGroundTruth): Ground truth.
        verbs (Sequence[str]): Names of the vocabulary's verbs, e.g. ``'hold_obj'``.
        actions (Sequence[str]): Names of the actions, e.g. ``'hold'``.
        slots (Slots): Action and role of each verb.

    Returns:
        dict[str, dict]: ``scenario_1`` and ``scenario_2`` with ``mean_24`` (papers: without ``point_instr``), ``mean_25``
        (as ``vsrl_eval.py`` prints it) and ``ap`` by role, and ``agent`` with ``mean`` and ``ap`` by action. All in
        [0, 1]. None if nobody does the action.
    """
    scenario_1, scenario_2, agent = evaluate_vcoco(dets, gts, slots)
    summary: dict[str, dict] = {}
    roles = [i for i, (_, slot) in enumerate(slots) if slot is not None]
    for name, values in (('scenario_1', scenario_1), ('scenario_2', scenario_2)):
        summary[name] = dict(
            mean_24=none_if_nan(mean_ap(values[[i for i in roles if verbs[i] != 'point_instr']])),
            mean_25=none_if_nan(mean_ap(values[roles])),
            ap={verbs[i]: none_if_nan(values[i]) for i in roles},
        )
    summary['agent'] = dict(
        mean=none_if_nan(mean_ap(agent)), ap={name: none_if_nan(v) for name, v in zip(actions, agent, strict=True)}
    )
    return summary


def _average_precisions(labels: np.ndarray, right: np.ndarray, targets: np.ndarray, num_gt: np.ndarray) -> np.ndarray:
    """AP of each label, see :func:`precision_recall`. ``targets`` are the persons that detections were matched with."""
    claims = first_claims(np.where(right, labels * np.int64(np.max(targets, initial=0) + 1) + targets, -1))
    ap = np.full(len(num_gt), np.nan)
    for i, recall, precision in precision_recall(labels, claims, num_gt):
        ap[i] = area_ap(recall, precision)
    return ap
