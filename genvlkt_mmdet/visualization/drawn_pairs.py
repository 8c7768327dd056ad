"""Human-object pairs for the visualizer, each with all of its interactions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from mmengine.structures import InstanceData

from ..structures import HOIDataSample, Triplets, box_iou, has_object, zeros_to_no_object
from ..vocabulary import HOIVocabulary, action_slots

# Boxes with at least this IoU are drawn as one person or one object.
_SAME_BOX_IOU = 0.8
# A prediction with at least this overlap matches an annotated pair. This is the threshold of the HOI metrics.
_MATCH_IOU = 0.5


@dataclass(eq=False)
class DrawnPair:
    """One human-object pair.

    Attributes:
        human_box (np.ndarray): (4,) xyxy pixels.
        object_box (np.ndarray | None): (4,) the same for the object. None for a pair without object.
        phrases (dict[str, float | None]): Phrase and score of each interaction. The score is None for ground truth.
        color (int): Index of the pair's colour.
        queries (set[int]): Queries of its triplets.
    """

    human_box: np.ndarray
    object_box: np.ndarray | None
    phrases: dict[str, float | None] = field(default_factory=dict)
    color: int = 0
    queries: set[int] = field(default_factory=set)

    @property
    def lines(self) -> list[str]:
        """Text of the label, one line per interaction."""
        return [phrase if score is None else f'{phrase} {score:.2f}' for phrase, score in self.phrases.items()]


def pairs_from_predictions(pred_hois: InstanceData, vocabulary: HOIVocabulary) -> list[DrawnPair]:
    """Groups predicted triplets by query and by nearly identical boxes.

    Args:
        pred_hois (InstanceData): ``human_boxes``, ``object_boxes``, ``hoi_labels``, ``scores`` and, optionally,
            ``query_ids``, on the CPU.
        vocabulary (HOIVocabulary): Source of the phrases.

    Returns:
        list[DrawnPair]: The pairs, highest score first.
    """
    labels = pred_hois.hoi_labels.tolist()
    objects = pred_hois.object_boxes.numpy().copy()
    # 'person standing' has no object, even if its query has an object box.
    objects[[vocabulary.hoi_objects[label] >= vocabulary.num_objects for label in labels]] = np.nan
    return _group(
        pred_hois.human_boxes.numpy(),
        objects,
        [vocabulary.phrase(label) for label in labels],
        pred_hois.scores.tolist(),
        pred_hois.query_ids.tolist() if 'query_ids' in pred_hois else [None] * len(labels),
    )


def pairs_from_triplets(triplets: Sequence[Mapping[str, Any]]) -> list[DrawnPair]:
    """Groups the triplets of a :class:`~genvlkt_mmdet.apis.HOIResult`, as :func:`pairs_from_predictions` does."""
    return _group(
        np.array([hoi['human_box'] for hoi in triplets]),
        np.array([hoi['object_box'] or [np.nan] * 4 for hoi in triplets]),
        [hoi['phrase'] for hoi in triplets],
        [hoi['score'] for hoi in triplets],
        [hoi['query'] for hoi in triplets],
    )


def pairs_from_ground_truth(
    data_sample: HOIDataSample, vocabulary: HOIVocabulary, zero_shot: str | None = None
) -> list[DrawnPair] | None:
    """Annotated pairs of a data sample.

    They come from ``eval_gt`` (test pipelines), in pixels of the original image, or from ``gt_pairs``, in pixels of the
    network input.

    Args:
        data_sample (HOIDataSample): Sample on the CPU.
        vocabulary (HOIVocabulary): Source of the phrases.
        zero_shot (str, optional): Zero-shot split of the dataset. In training, ``gt_pairs`` has only the seen classes.

    Returns:
        list[DrawnPair] | None: The pairs. None if the sample has no annotation.
    """
    eval_gt = data_sample.get('eval_gt')
    if eval_gt is not None:
        triplets = eval_gt.triplets
        if eval_gt.persons is None:
            phrases = [vocabulary.phrase(label) for label in triplets.labels]
        else:
            triplets, phrases = _named_actions(triplets, eval_gt.persons.of_triplets, vocabulary)
        humans, objects = triplets.human_boxes, triplets.object_boxes
    elif 'gt_pairs' in data_sample:
        gt_pairs = data_sample.gt_pairs
        rows, columns = np.nonzero(np.asarray(gt_pairs.hoi_labels) >= 0.5)  # potential pairs have probabilities
        seen = vocabulary.seen(zero_shot if gt_pairs.hoi_labels.shape[1] < vocabulary.num_hois else None)
        humans = np.asarray(gt_pairs.human_boxes)[rows]
        objects = zeros_to_no_object(np.asarray(gt_pairs.object_boxes)[rows])
        phrases = [vocabulary.phrase(seen[column]) for column in columns]
    else:
        return None
    return _group(humans, objects, phrases, [None] * len(phrases), [None] * len(phrases))


def _named_actions(triplets: Triplets, persons: np.ndarray, vocabulary: HOIVocabulary) -> tuple[Triplets, list[str]]:
    """V-COCO's triplets and their phrases. Leaves out an action without object if the person does it with an object."""
    slots = action_slots(vocabulary)[1]
    actions = [slots[verb][0] for verb in triplets.labels]
    exists = has_object(triplets.object_boxes)
    done = {(person, action) for person, action, e in zip(persons, actions, exists, strict=True) if e}
    kept, phrases = [], []
    for i, (person, action, verb) in enumerate(zip(persons, actions, triplets.labels, strict=True)):
        if not exists[i] and (person, action) in done:
            continue
        # Of 'hitting' and 'hitting with', the shorter one stands for an action whose object is not annotated.
        verbs = [verb] if exists[i] else [v for v, (other, _) in enumerate(slots) if other == action]
        kept.append(i)
        phrases.append(f'person {min((vocabulary.verb_phrases[v] for v in verbs), key=len)}')
    return triplets[np.array(kept, dtype=np.int64)], phrases


def assign_colors(predicted: list[DrawnPair], annotated: list[DrawnPair]) -> None:
    """Sets the colours of pairs. The predicted pairs are sorted, highest score first.

    A predicted pair gets the colour of the annotated pair that it matches, any other pair a new one.
    """
    for i, pair in enumerate(annotated):
        pair.color = i
    free = list(annotated)
    fresh = len(annotated)
    for pair in predicted:
        found = next((a for a in free if _same_pair(a, pair.human_box, pair.object_box, _MATCH_IOU)), None)
        if found is None:
            pair.color = fresh
            fresh += 1
        else:
            pair.color = found.color
            free.remove(found)


def _group(
    humans: np.ndarray, objects: np.ndarray, phrases: list[str], scores: list[float | None], queries: list[int | None]
) -> list[DrawnPair]:
    """Groups triplets into pairs, by query and by nearly identical boxes. An object box of NaN means 'no object'."""
    pairs: list[DrawnPair] = []
    pair_of_query: dict[int | None, DrawnPair] = {}
    for human, obj, phrase, score, query in zip(humans, objects, phrases, scores, queries, strict=True):
        box = obj if has_object(obj) else None
        pair = pair_of_query.get(query) or next((p for p in pairs if _same_pair(p, human, box, _SAME_BOX_IOU)), None)
        if pair is None:
            pair = DrawnPair(human, box)
            pairs.append(pair)
        if pair.object_box is None:
            pair.object_box = box
        if query is not None:
            pair_of_query.setdefault(query, pair)
            pair.queries.add(query)
        # The triplets are sorted by score, so a phrase keeps its highest score.
        pair.phrases.setdefault(phrase, score)
    return pairs


def _same_pair(pair: DrawnPair, human: np.ndarray, obj: np.ndarray | None, iou: float) -> bool:
    if box_iou(pair.human_box, human, plus_one=False) < iou:
        return False
    # An interaction without object ('person standing') joins any pair with the same person.
    return pair.object_box is None or obj is None or bool(box_iou(pair.object_box, obj, plus_one=False) >= iou)
