"""Diagnosis of errors: why detections are wrong, and how much mAP each kind of error costs.

The definitions are those of Diag-HOI ("Diagnosing Human-object Interaction Detectors", arXiv 2308.08529). The page
``docs/diagnosis.md`` explains them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal, get_args

import numpy as np

from ...structures import Triplets, has_object
from .average_precision import MATLAB_THRESHOLDS, NUMPY_THRESHOLDS, area_ap, eleven_point_ap, mean_ap
from .hico import HICOResult, per_class
from .matching import ranking, same_group

DiagnosisProtocol = Literal['official', 'clean', 'diag-hoi']
DIAGNOSIS_PROTOCOLS: tuple[DiagnosisProtocol, ...] = get_args(DiagnosisProtocol)

#: The error of a detection by its code. Code -1: not diagnosed.
ERRORS = ('correct', 'human_box', 'object_box', 'both_boxes', 'association', 'interaction', 'duplicate')
CORRECT, HUMAN_BOX, OBJECT_BOX, BOTH_BOXES, ASSOCIATION, INTERACTION, DUPLICATE = range(7)
THRESHOLDS = dict(matlab=MATLAB_THRESHOLDS, numpy=NUMPY_THRESHOLDS, decimal=np.arange(11) / 10)
#: What :func:`fix_errors` can fix. The last two are bounds: no false positive, and no annotation without a detection.
FIXES = ('none', *ERRORS[1:], 'missing', 'false_positives', 'false_negatives')


@dataclass(frozen=True)
class Rules:
    """What the protocols do differently. See ``docs/diagnosis.md`` for the reasons.

    Attributes:
        no_interaction (bool): Whether HOI classes of the verb 'no_interaction' count.
        strict_overlap (bool): Whether boxes that share a border only do not overlap.
        images_without_gt (bool): Whether detections in images without annotated HOI count.
        identical (str): Identical annotations are 'apart', as others are; 'merged' into one; or 'shared': each counts, but
            they have one match. With 'shared', identical detections also have one place, which the last one writes to.
        mean (str): The mean is over 'all' classes, the 'annotated' ones, or the 'found' ones: those with a true positive,
            and those without any detection.
        thresholds (str): Recall thresholds of AP: 'matlab', 'decimal' or 'numpy', see :func:`eleven_point_ap`; 'area' is the
            area under the envelope.
        images_without_detections (bool): Whether fixing missing annotations includes those of images without detections.
        right_boxes (bool): V-COCO. If not, the best match reads the boxes of another detection, unless the detections of each
            class are sorted by score.
        later_first (bool): V-COCO. Which of several detections with equal scores is first.
        reduced (bool): Whether :func:`interaction_ap` leaves out annotations whose pair is not detected.
    """

    no_interaction: bool = True
    strict_overlap: bool = False
    images_without_gt: bool = True
    identical: Literal['apart', 'merged', 'shared'] = 'apart'
    mean: Literal['all', 'annotated', 'found'] = 'all'
    thresholds: Literal['matlab', 'decimal', 'numpy', 'area'] = 'matlab'
    images_without_detections: bool = True
    right_boxes: bool = True
    later_first: bool = False
    reduced: bool = True


@dataclass(frozen=True, eq=False)
class Diagnosis:
    """The error of every detection and the fate of every annotation.

    :func:`diagnose_hico` and :func:`diagnose_vcoco` return it.

    Attributes:
        dets (Triplets): The n detections.
        gts (Triplets): The m annotated triplets.
        errors (np.ndarray): (n,) int8, error of each detection, an index of :data:`ERRORS`. -1: not diagnosed.
        targets (np.ndarray): (n,) the annotation that a correct detection found. -1: none.
        found (np.ndarray): (m,) the correct detection of each annotation. -1: none.
        best (np.ndarray): (m,) best match of each annotation: the detection with a higher score than the correct one whose
            error has lost it. -1: none.
        det_counts (np.ndarray): (n,) bool, whether the detection counts in the mAP.
        gt_counts (np.ndarray): (m,) bool, whether the annotation counts.
        hits (np.ndarray): (k, 2) detection and annotation of all combinations whose two boxes match.
        det_pairs (np.ndarray): (n,) number of each detection's human-object pair, in order of appearance.
        gt_pairs (np.ndarray): (m,) likewise for annotations.
        verbs (np.ndarray): (A,) verb of each class.
        objects (np.ndarray): (A,) object of each class.
        in_mean (np.ndarray): (A,) bool, the classes whose mean the mAP is.
        num_images (int): Number of images of the split.
        rules (Rules): Rules of the protocol.
    """

    dets: Triplets
    gts: Triplets
    errors: np.ndarray
    targets: np.ndarray
    found: np.ndarray
    best: np.ndarray
    det_counts: np.ndarray
    gt_counts: np.ndarray
    hits: np.ndarray
    det_pairs: np.ndarray
    gt_pairs: np.ndarray
    verbs: np.ndarray
    objects: np.ndarray
    in_mean: np.ndarray
    num_images: int
    rules: Rules

    @property
    def missing(self) -> np.ndarray:
        """np.ndarray: (m,) bool, annotations that count and have neither a correct detection nor a best match."""
        return self.gt_counts & (self.found < 0) & (self.best < 0)

    @property
    def ranked(self) -> np.ndarray:
        """np.ndarray: The detections that count, by class, highest score first."""
        index = np.flatnonzero(self.det_counts)
        if self.rules.later_first:
            index = index[::-1]
        order = np.zeros(len(index), np.int64) if self.rules.later_first else self.dets.images[index]
        return index[ranking(self.dets.labels[index], self.dets.detection_scores[index], order)]

    def mean_ap(self, result: HICOResult, classes: Sequence[int] | np.ndarray | None = None) -> float:
        """MAP of a result of :func:`fix_errors`, as the protocol computes it, in [0, 1]. NaN if no class counts.

        Args:
            result (HICOResult): The result.
            classes (Sequence[int] | np.ndarray, optional): Classes of a group, such as the rare ones. Default: all.
        """
        if classes is None:
            return mean_ap(result.ap[self.in_mean])
        group = np.asarray(classes, dtype=np.int64)
        group = group[self.in_mean[group]]
        if self.rules.mean == 'found':
            group = group[result.num_tp[group] > 0]
        return mean_ap(result.ap[group])


def fix_errors(diagnosis: Diagnosis, fixes: Sequence[str] = FIXES) -> dict[str, HICOResult]:
    """AP of every class with one kind of error fixed.

    - ``none``: as detected.
    - ``duplicate``, ``both_boxes``: without the detections that have this error.
    - ``human_box``, ``object_box``, ``association``, ``interaction``: an annotation whose best match has this error counts as
      found, with the score of the best match. All detections that have the error are left out.
    - ``missing``: without the annotations that nothing comes close to.
    - ``false_positives``: without all wrong detections. ``false_negatives``: without all annotations that are not found.

    What the fixes gain does not add up to 1 - mAP: errors hide each other, and a class may lose several things at once.

    Args:
        diagnosis (Diagnosis): The diagnosis.
        fixes (Sequence[str]): Names, see :data:`FIXES`.

    Returns:
        dict[str, HICOResult]: A result for each fix.
    """
    rules, dets, gts = diagnosis.rules, diagnosis.dets, diagnosis.gts
    order = diagnosis.ranked
    labels, scores = dets.labels[order], dets.detection_scores[order]
    errors = diagnosis.errors[order]
    num_gt = np.bincount(gts.labels[diagnosis.gt_counts], minlength=len(diagnosis.verbs))

    def result(keep: np.ndarray | None, added: np.ndarray | None, lost: np.ndarray | None) -> HICOResult:
        own, own_scores, correct = labels, scores, errors == CORRECT
        if keep is not None:
            own, own_scores, correct = own[keep], own_scores[keep], correct[keep]
        if added is not None and len(added):
            own = np.append(own, gts.labels[added])
            own_scores = np.append(own_scores, dets.detection_scores[diagnosis.best[added]])
            correct = np.append(correct, np.ones(len(added), dtype=bool))
            again = ranking(own, own_scores, np.zeros(len(own), np.int64))
            own, correct = own[again], correct[again]
        count = num_gt if lost is None else num_gt - np.bincount(gts.labels[lost], minlength=len(num_gt))
        return _results(own, correct, count, rules)

    results = {}
    for fix in fixes:
        keep = added = lost = None
        if fix in ERRORS[1:]:
            kind = ERRORS.index(fix)
            keep = (errors != kind) & (errors >= 0)
            if kind not in (DUPLICATE, BOTH_BOXES):
                added = np.flatnonzero(diagnosis.best >= 0)
                added = added[diagnosis.errors[diagnosis.best[added]] == kind]
                replaced = diagnosis.found[added]
                keep &= ~np.isin(order, replaced[replaced >= 0])
        elif fix == 'missing':
            lost = diagnosis.missing
            if not rules.images_without_detections:
                lost = lost & np.isin(gts.images, dets.images[diagnosis.det_counts])
        elif fix == 'false_positives':
            keep = errors == CORRECT
        elif fix == 'false_negatives':
            lost = diagnosis.gt_counts & (diagnosis.found < 0)
        elif fix != 'none':
            raise ValueError(f"Unknown fix '{fix}': choose from {', '.join(FIXES)}.")
        results[fix] = result(keep, added, lost)
    return results


def localisation(diagnosis: Diagnosis) -> dict[str, float]:
    """Recall and precision of human-object pairs, before their interactions are named.

    A pair is a human box, an object box and the object. Persons without object are not counted. A detected pair is right if
    both boxes match those of an annotated pair. With 'diag-hoi', precision credits one detected pair for each annotated pair,
    the first in the file.

    Returns:
        dict[str, float]: ``recall``, ``precision``, ``pairs_per_image``, and the counts ``annotated``, ``hit``, ``detected``
        and ``right``.
    """
    used = diagnosis.det_counts & has_object(diagnosis.dets.object_boxes)
    annotated = diagnosis.gt_counts & has_object(diagnosis.gts.object_boxes)
    dets, gts = _distinct(diagnosis.det_pairs[used]), _distinct(diagnosis.gt_pairs[annotated])
    hits = diagnosis.hits[annotated[diagnosis.hits[:, 1]]]
    det, gt = diagnosis.det_pairs[hits[:, 0]], diagnosis.gt_pairs[hits[:, 1]]
    hit = _distinct(gt)
    if diagnosis.rules.identical == 'shared':
        order = np.lexsort((det, gt))
        right = np.unique(det[order][np.unique(gt[order], return_index=True)[1]])
    else:
        right = _distinct(det)
    num_images = diagnosis.num_images
    if not diagnosis.rules.images_without_gt:
        num_images = len(np.unique(diagnosis.gts.images[diagnosis.gt_counts]))
    return dict(
        recall=_ratio(len(hit), len(gts)),
        precision=_ratio(len(right), len(dets)),
        pairs_per_image=_ratio(len(dets), num_images),
        annotated=len(gts),
        hit=len(hit),
        detected=len(dets),
        right=len(right),
    )


def no_interaction_ap(diagnosis: Diagnosis) -> float:
    """Average precision of finding the detected pairs that are no annotated pair, by 1 - their highest score; in [0, 1]."""
    used = np.flatnonzero(diagnosis.det_counts)
    pairs, index = np.unique(diagnosis.det_pairs[used], return_inverse=True)
    if not len(pairs):
        return 0.0
    scores = np.full(len(pairs), -np.inf)
    np.maximum.at(scores, index, diagnosis.dets.detection_scores[used])
    positive = ~np.isin(pairs, diagnosis.det_pairs[diagnosis.hits[:, 0]])
    positive = positive[np.argsort(scores, kind='stable')]
    true_positives = np.cumsum(positive)
    thresholds = np.arange(0, 1.1, 0.01) if diagnosis.rules.identical == 'shared' else np.linspace(0, 1, 101)
    recall = true_positives / max(positive.sum(), 1)
    return eleven_point_ap(recall, true_positives / np.arange(1, len(pairs) + 1), thresholds)


def interaction_ap(diagnosis: Diagnosis, action_scores: np.ndarray | None = None) -> HICOResult:
    """AP of every verb on correctly located pairs: how well interactions are named if localisation is no problem.

    Detections that are correct, duplicates or name a wrong interaction are ranked by verb, over all objects. Annotations whose
    pair is not detected do not count.

    Args:
        diagnosis (Diagnosis): The diagnosis.
        action_scores (np.ndarray, optional): (n,) scores of the verb alone. Default: those of the detections.

    Returns:
        HICOResult: A value for each verb.
    """
    rules, gts = diagnosis.rules, diagnosis.gts
    scores = diagnosis.dets.detection_scores if action_scores is None else action_scores
    used = np.flatnonzero(np.isin(diagnosis.errors, (CORRECT, INTERACTION, DUPLICATE)))
    verbs = diagnosis.verbs[diagnosis.dets.labels[used]]
    used = used[ranking(verbs, scores[used], diagnosis.dets.images[used])]
    counts = diagnosis.gt_counts.copy()
    if rules.reduced:
        located = np.isin(diagnosis.gt_pairs, diagnosis.gt_pairs[diagnosis.hits[:, 1]])
        if not rules.images_without_detections:
            located |= ~np.isin(gts.images, diagnosis.dets.images[diagnosis.det_counts])
        counts &= located
    num_gt = np.bincount(diagnosis.verbs[gts.labels[counts]], minlength=diagnosis.verbs.max(initial=-1) + 1)
    return _results(diagnosis.verbs[diagnosis.dets.labels[used]], diagnosis.errors[used] == CORRECT, num_gt, rules)


def verb_confusion(diagnosis: Diagnosis) -> np.ndarray:
    """Which interaction located pairs are taken for.

    An annotated interaction is confused with another one of the same object if a detection of that one has the right boxes
    and a higher score than any of the annotated one. The highest score decides. Interactions that the pair has too
    are no confusion.

    Returns:
        np.ndarray: (k, 3) annotated class, detected class (the same one if it is not confused) and how often, most frequent
        first. Annotations whose pair is not detected are left out.
    """
    dets, gts, hits = diagnosis.dets, diagnosis.gts, diagnosis.hits
    num_classes = len(diagnosis.verbs)
    pairs, labels = diagnosis.gt_pairs[hits[:, 1]], dets.labels[hits[:, 0]]
    annotated = np.unique((diagnosis.gt_pairs * num_classes + gts.labels)[diagnosis.gt_counts])
    # The best detection of each class on each pair, then the best one of a class that is not annotated.
    order = np.argsort(-dets.detection_scores[hits[:, 0]], kind='stable')
    named, first = np.unique(pairs[order] * num_classes + labels[order], return_index=True)
    scores = dets.detection_scores[hits[order[first], 0]]
    wrong = np.flatnonzero(~np.isin(named, annotated))
    wrong = wrong[np.argsort(-scores[wrong], kind='stable')]
    wrong_pairs, first = np.unique(named[wrong] // num_classes, return_index=True)
    rival = np.full(diagnosis.gt_pairs.max(initial=-1) + 1, -1)
    rival[wrong_pairs] = wrong[first]
    rival = rival[annotated // num_classes]
    place = np.minimum(np.searchsorted(named, annotated), max(len(named) - 1, 0))
    own = np.full(len(annotated), -np.inf)
    if len(named):
        own = np.where(named[place] == annotated, scores[place], -np.inf)
        beaten = (rival >= 0) & (scores[rival] > own)
    else:
        beaten = np.zeros(len(annotated), dtype=bool)
    known = beaten | np.isfinite(own)
    taken_for = np.where(beaten, named[rival] if len(named) else 0, annotated)[known] % num_classes
    cells, counts = np.unique(annotated[known] % num_classes * num_classes + taken_for, return_counts=True)
    table = np.column_stack([cells // num_classes, cells % num_classes, counts])
    return table[np.argsort(-counts, kind='stable')]


def falling(scores: np.ndarray, later_first: bool = False) -> np.ndarray:
    """Indices that sort (n,) scores, highest first. Of equal ones the first is first, or the last with ``later_first``."""
    return np.argsort(scores, kind='stable')[::-1] if later_first else np.argsort(-scores, kind='stable')


def best_of_candidates(
    dets: np.ndarray, gts: np.ndarray, rank: np.ndarray, found: np.ndarray, images: np.ndarray, slots: np.ndarray
) -> np.ndarray:
    """Chooses the best match of every annotation.

    In the order of the file, each annotation takes its candidate with the highest score that no other one has taken and
    that has a higher score than its correct detection.

    Args:
        dets (np.ndarray): (c,) detection of each candidate.
        gts (np.ndarray): (c,) its annotation.
        rank (np.ndarray): (n,) place of each detection by falling score.
        found (np.ndarray): (m,) the correct detection of each annotation. -1: none.
        images (np.ndarray): (m,) image of each annotation.
        slots (np.ndarray): (m,) where the match of each annotation is kept: its own index, or that of an identical one.

    Returns:
        np.ndarray: (m,) the best match. -1: none.
    """
    best = np.full(len(images), -1, dtype=np.int64)
    limit = np.where(found >= 0, rank[found], len(rank))[slots] if len(rank) else np.zeros(len(images), np.int64)
    keep = np.flatnonzero(rank[dets] < limit[gts])
    keep = keep[np.lexsort((rank[dets[keep]], gts[keep]))]
    dets, gts = dets[keep], gts[keep]
    begin, number = np.searchsorted(gts, np.arange(len(images))), np.bincount(gts, minlength=len(images))
    # Images do not influence each other: the first annotation of every image chooses at the same time, then the second one.
    by_image = np.argsort(images, kind='stable')
    turn = np.empty(len(images), dtype=np.int64)
    turn[by_image] = np.arange(len(images)) - np.searchsorted(images[by_image], images[by_image])
    taken = np.zeros(len(rank), dtype=bool)
    choosers = np.flatnonzero(number)
    choosers = choosers[np.argsort(turn[choosers], kind='stable')]
    for now in np.split(choosers, np.flatnonzero(np.diff(turn[choosers])) + 1):
        if not len(now):
            continue
        first = np.cumsum(number[now]) - number[now]
        place = np.repeat(begin[now] - first, number[now]) + np.arange(number[now].sum())
        free = np.where(taken[dets[place]], len(dets), place)
        chosen = np.minimum.reduceat(free, first)
        some = chosen < len(dets)
        best[slots[now[some]]] = dets[chosen[some]]
        taken[dets[chosen[some]]] = True
    return best


def joined(keys: np.ndarray, gt_keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Indices of all (p,) pairs of equal keys in two arrays, in the order of the first."""
    parts = [(np.repeat(left, number), right) for left, _, number, right in same_group(keys, gt_keys)]
    empty = np.zeros(0, dtype=np.int64)
    return np.concatenate([empty, *(p[0] for p in parts)]), np.concatenate([empty, *(p[1] for p in parts)])


def best_by(dets: np.ndarray, gts: np.ndarray, overlap: np.ndarray, n: int) -> np.ndarray:
    """(n,) the annotation that each detection overlaps most, the first if equal. -1: none. ``dets`` is ascending."""
    target = np.full(n, -1, dtype=np.int64)
    if len(dets):
        first = np.flatnonzero(np.append(True, dets[1:] != dets[:-1]))
        highest = np.repeat(np.maximum.reduceat(overlap, first), np.diff(np.append(first, len(dets))))
        last = np.iinfo(np.int64).max
        target[dets[first]] = np.minimum.reduceat(np.where(overlap == highest, gts, last), first)
    return target


def _results(labels: np.ndarray, correct: np.ndarray, num_gt: np.ndarray, rules: Rules) -> HICOResult:
    """Results of ranked detections by class. NaN: the class is left out of the mean."""
    average_precision: Callable[[np.ndarray, np.ndarray], float] = area_ap
    if rules.thresholds != 'area':
        average_precision = partial(eleven_point_ap, thresholds=THRESHOLDS[rules.thresholds])
    result = per_class(labels, correct, num_gt, average_precision, 0.0 if rules.mean == 'all' else np.nan)
    if rules.mean == 'found':
        left_out = (result.num_det > 0) & (result.num_tp == 0)
        result.ap[left_out] = result.max_recall[left_out] = np.nan
    return result


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else 0.0


def _distinct(numbers: np.ndarray) -> np.ndarray:
    """The distinct numbers of an array of small ones, ascending."""
    return np.flatnonzero(np.bincount(numbers))
