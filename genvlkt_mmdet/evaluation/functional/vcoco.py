"""The V-COCO evaluation, equal to the official ``vsrl_eval.py``."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...structures import GroundTruth, Triplets, box_iou, has_object, zeros_to_no_object
from .average_precision import area_ap, mean_ap, none_if_nan
from .matching import best_matches, first_claims, ranking

#: Action and role of each verb of the vocabulary: the action's index and which of its roles (0 or 1) the verb names,
#: None for an action without object.
Slots = Sequence[tuple[int, int | None]]


@dataclass(frozen=True, eq=False)
class VCOCOGroundTruth:
    """The annotated persons of a split. Boxes are float32, as in the official program.

    Attributes:
        images (np.ndarray): (P,) image of each person.
        boxes (np.ndarray): (P, 4) their boxes, xyxy pixels.
        annotated (np.ndarray): (P,) bool, False for a person whose actions were not annotated.
        actions (np.ndarray): (P, K) bool, what each person does.
        role_boxes (np.ndarray): (P, K, 2, 4) box of each role of each action; NaN where it has no object.
    """

    images: np.ndarray
    boxes: np.ndarray
    annotated: np.ndarray
    actions: np.ndarray
    role_boxes: np.ndarray

    @classmethod
    def from_images(cls, entries: Sequence[GroundTruth], slots: Slots) -> 'VCOCOGroundTruth':
        """Joins per-image ground truth; entry i becomes image i.

        Args:
            entries (Sequence[GroundTruth]): Per image triplets of verbs and the persons. Of several objects of a role of
                one person, the first one counts.
            slots (Slots): Action and role of each verb.

        Returns:
            VCOCOGroundTruth: All of them.
        """
        known = [entry.persons for entry in entries if entry.persons is not None]
        counts = [0 if entry.persons is None else len(entry.persons.boxes) for entry in entries]
        starts = np.cumsum(counts) - counts
        total, num_actions = sum(counts), max((action for action, _ in slots), default=-1) + 1
        actions = np.zeros((total, num_actions), dtype=bool)
        role_boxes = np.full((total, num_actions, 2, 4), np.nan, dtype=np.float32)
        for start, entry in zip(starts, entries, strict=True):
            if entry.persons is None:
                continue
            persons, triplets = start + entry.persons.of_triplets, entry.triplets
            for person, verb, box in zip(persons, triplets.labels, triplets.object_boxes, strict=True):
                action, slot = slots[verb]
                actions[person, action] = True
                if slot is not None and not has_object(role_boxes[person, action, slot]):
                    role_boxes[person, action, slot] = box
        return cls(
            images=np.repeat(np.arange(len(entries)), counts),
            boxes=np.concatenate([np.zeros((0, 4), np.float32), *(persons.boxes for persons in known)]).astype(
                np.float32
            ),
            annotated=np.concatenate([np.zeros(0, bool), *(persons.annotated for persons in known)]),
            actions=actions,
            role_boxes=role_boxes,
        )


@dataclass(frozen=True, eq=False)
class VCOCODetections:
    """Detected persons, what they do, and with what. Numbers are float32, as in the official program.

    Attributes:
        images (np.ndarray): (n,) image of each detected person.
        boxes (np.ndarray): (n, 4) their boxes, xyxy pixels.
        role_persons (np.ndarray): (r,) person of each detected role.
        role_labels (np.ndarray): (r,) its verb, an index of the vocabulary's (action, role) classes.
        role_boxes (np.ndarray): (r, 4) its object box; NaN stands for 'no object'.
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
        """Detections from triplets of (action, role) classes.

        Triplets of an image with equal human and object boxes come from one detected pair: together they are one
        detected person, whose score for an action is the highest of the action's roles.

        Args:
            triplets (Triplets): Their labels are verbs; an object box of NaN or zeros stands for 'no object'.
            slots (Slots): Action and role of each verb.

        Returns:
            VCOCODetections: One role per triplet whose verb has one; one action per person and action.
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
        tuple[np.ndarray, np.ndarray, np.ndarray]: AP of every verb in Scenario 1 and Scenario 2 (NaN where the verb has
        no role or nobody does it) and agent AP of every action (NaN where nobody does it).
    """
    num_gt = gts.actions[gts.annotated].sum(axis=0)

    def person_overlap(det: np.ndarray, gt: np.ndarray) -> np.ndarray:
        return np.nan_to_num(box_iou(dets.boxes[det], gts.boxes[gt]))

    best, overlap = best_matches(dets.images, gts.images, person_overlap)
    judged = (best < 0) | gts.annotated[best] if len(gts.images) else np.ones(len(best), dtype=bool)
    found = (best >= 0) & (overlap >= iou_threshold)

    keep = judged[dets.agent_persons] & ~np.isnan(dets.agent_scores)
    order = _ranking(dets.agent_actions, dets.agent_scores, dets.images[dets.agent_persons], keep)
    persons, actions = dets.agent_persons[order], dets.agent_actions[order]
    right = found[persons]
    right[right] = gts.actions[best[persons[right]], actions[right]]
    agent = _average_precisions(actions, right, best[persons], num_gt)

    role_gt = np.array([num_gt[action] if slot is not None else 0 for action, slot in slots])
    keep = judged[dets.role_persons] & ~np.isnan(dets.role_scores)
    order = _ranking(dets.role_labels, dets.role_scores, dets.images[dets.role_persons], keep)
    persons, labels, boxes = dets.role_persons[order], dets.role_labels[order], dets.role_boxes[order]
    right = found[persons]
    actions = np.array([action for action, _ in slots])[labels]
    right[right] = gts.actions[best[persons[right]], actions[right]]
    at = np.flatnonzero(right)
    roles = np.array([slot or 0 for _, slot in slots])[labels[at]]
    gt_boxes = gts.role_boxes[best[persons[at]], actions[at], roles]
    no_object, empty = ~has_object(gt_boxes), ~has_object(boxes[at])
    agrees = box_iou(gt_boxes, boxes[at]) >= iou_threshold
    scenarios = []
    for without_object in (empty, True):
        right[at] = np.where(no_object, without_object, agrees)
        scenarios.append(_average_precisions(labels, right, best[persons], role_gt))
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
        [0, 1]; None where nobody does the action.
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


def equal_rows(*columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Groups equal rows; NaN equals NaN.

    One column after the other: a whole split has millions of rows, and sorting them whole takes gigabytes.

    Args:
        *columns (np.ndarray): (n,) values of each column.

    Returns:
        tuple[np.ndarray, np.ndarray]: First row of each group in order of appearance, and the group of each row (n,).
    """
    first, group = np.zeros(0, dtype=np.int64), np.zeros(len(columns[0]), dtype=np.int64)
    for column in columns:
        values, index = np.unique(column, return_inverse=True)
        _, first, group = np.unique(group * len(values) + index, return_index=True, return_inverse=True)
    appearance = np.argsort(first)
    rank = np.empty_like(appearance)
    rank[appearance] = np.arange(len(appearance))
    return first[appearance], rank[group]


def _ranking(labels: np.ndarray, scores: np.ndarray, images: np.ndarray, keep: np.ndarray) -> np.ndarray:
    """The ranking of the detections that count."""
    index = np.flatnonzero(keep)
    return index[ranking(labels[index], scores[index], images[index])]


def _average_precisions(labels: np.ndarray, right: np.ndarray, targets: np.ndarray, num_gt: np.ndarray) -> np.ndarray:
    """AP per label; ``labels`` ascending, best first, ``targets`` the person each one claims where it is right."""
    claims = first_claims(np.where(right, labels * np.int64(np.max(targets, initial=0) + 1) + targets, -1))
    bounds = np.searchsorted(labels, np.arange(len(num_gt) + 1))
    ap = np.full(len(num_gt), np.nan)
    for i in np.flatnonzero(num_gt):
        true_positives = np.cumsum(claims[bounds[i] : bounds[i + 1]])
        ap[i] = area_ap(true_positives / num_gt[i], true_positives / np.arange(1, len(true_positives) + 1))
    return ap
