"""Evaluation of a split, used by the metrics and by the tools for results files."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..structures import GroundTruth, Triplets
from ..vocabulary import HOIVocabulary, action_slots, load_vocabulary
from .functional import VCOCODetections, VCOCOGroundTruth, summarize_hico, summarize_vcoco
from .functional.diagnosis import Diagnosis, DiagnosisProtocol
from .functional.hico import Protocol
from .functional.hico_diagnosis import diagnose_hico
from .functional.vcoco_diagnosis import diagnose_vcoco
from .io import Detections


def evaluate_detections(
    detections: Detections,
    images: Sequence[Mapping[str, Any]],
    vocabulary: str | Mapping | HOIVocabulary,
    zero_shot: str | None = None,
    protocol: Protocol = 'official',
    train_counts: np.ndarray | None = None,
) -> dict[str, Any]:
    """Evaluates detections against a split.

    Args:
        detections (Detections): Returned by :func:`load_detections`.
        images (Sequence[Mapping]): The split, returned by :func:`load_ground_truth`.
        vocabulary (str | Mapping | HOIVocabulary): Vocabulary of the dataset.
        zero_shot (str, optional): Zero-shot split. Adds the mAP of its unseen and its seen classes.
        protocol (str): 'official' or 'qpic', see :func:`evaluate_hico`. V-COCO has only 'official'.
        train_counts (np.ndarray, optional): (A,) training instances of each class, see :func:`rare_classes`.

    Returns:
        dict[str, Any]: The dictionary of :func:`summarize_hico` or :func:`summarize_vcoco`, with ``num_images`` and
        ``missing_images``.

    Raises:
        ValueError: If the protocol is unknown, or does not exist for V-COCO.
        KeyError: If the vocabulary has no such zero-shot split.
    """
    vocabulary = load_vocabulary(vocabulary)
    entries = [image['eval_gt'] for image in images]
    if vocabulary.name == 'vcoco':
        if protocol != 'official' or zero_shot is not None:
            raise ValueError("V-COCO has the protocol 'official' only, and no zero-shot split.")
        summary = evaluate_roles(detections.content, entries, vocabulary)
    else:
        summary = evaluate_triplets(detections.triplets, entries, vocabulary, zero_shot, protocol, train_counts)
    return {**summary, 'num_images': len(images), 'missing_images': detections.num_missing}


def diagnose_detections(
    detections: Detections,
    images: Sequence[Mapping[str, Any]],
    vocabulary: str | Mapping | HOIVocabulary,
    protocol: DiagnosisProtocol = 'official',
) -> Diagnosis:
    """Finds the error of every detection of a split.

    Args:
        detections (Detections): Returned by :func:`load_detections`.
        images (Sequence[Mapping]): The split, returned by :func:`load_ground_truth`.
        vocabulary (str | Mapping | HOIVocabulary): Vocabulary of the dataset.
        protocol (str): 'official', whose mAP is that of :func:`evaluate_detections`; 'clean' (not for V-COCO) or 'diag-hoi', see
            ``docs/diagnosis.md``. Default: 'official'.

    Returns:
        Diagnosis: The diagnosis, for :func:`fix_errors`, :func:`localisation` and the other functions of
        ``genvlkt_mmdet.evaluation.functional``.

    Raises:
        ValueError: If the protocol is unknown, or does not exist for V-COCO.
    """
    vocabulary = load_vocabulary(vocabulary)
    entries = [image['eval_gt'] for image in images]
    known = [(i, entry.boxes, entry.box_labels) for i, entry in enumerate(entries) if entry.boxes is not None]
    box_images = np.repeat([i for i, *_ in known], [len(boxes) for _, boxes, _ in known]).astype(np.int64)
    boxes = np.concatenate([np.zeros((0, 4), np.float32), *(boxes for _, boxes, _ in known)])
    box_labels = np.concatenate([np.zeros(0, np.int64), *(labels for *_, labels in known)])
    if vocabulary.name == 'vcoco':
        _, slots = action_slots(vocabulary)
        content = detections.content
        if isinstance(content, Triplets):
            content = VCOCODetections.from_triplets(content, slots)
        gts = VCOCOGroundTruth.from_images(entries, slots)
        return diagnose_vcoco(content, gts, slots, (box_images, boxes) if known else None, len(entries), protocol)
    names, verbs = vocabulary.object_names, vocabulary.verb_names
    return diagnose_hico(
        detections.triplets,
        Triplets.join([entry.triplets for entry in entries]),
        len(entries),
        vocabulary.hoi_verbs,
        vocabulary.hoi_objects,
        (box_images, boxes.astype(np.float64), box_labels),
        names.index('person') if 'person' in names else -1,
        verbs.index('no_interaction') if 'no_interaction' in verbs else None,
        protocol,
    )


def evaluate_triplets(
    detections: Triplets,
    entries: Sequence[GroundTruth],
    vocabulary: HOIVocabulary,
    zero_shot: str | None = None,
    protocol: Protocol = 'official',
    train_counts: np.ndarray | None = None,
) -> dict[str, Any]:
    """Evaluates triplets of HOI classes against the ground truth of each image, see :func:`evaluate_detections`."""
    return summarize_hico(
        detections,
        Triplets.join([entry.triplets for entry in entries]),
        len(entries),
        vocabulary.hoi_objects,
        vocabulary.num_objects,
        *rare_classes(vocabulary, train_counts, protocol),
        vocabulary.unseen(zero_shot) if zero_shot else None,
        protocol,
        _image_labels(entries),
    )


def evaluate_roles(
    detections: Triplets | VCOCODetections, entries: Sequence[GroundTruth], vocabulary: HOIVocabulary
) -> dict[str, Any]:
    """Evaluates V-COCO's roles and agents, see :func:`evaluate_detections`. Triplets are of (action, role) classes."""
    actions, slots = action_slots(vocabulary)
    if isinstance(detections, Triplets):
        detections = VCOCODetections.from_triplets(detections, slots)
    gts = VCOCOGroundTruth.from_images(entries, slots)
    return summarize_vcoco(detections, gts, vocabulary.verb_names, actions, slots)


def rare_classes(
    vocabulary: HOIVocabulary, train_counts: np.ndarray | None = None, protocol: Protocol = 'official'
) -> tuple[Sequence[int] | np.ndarray, Sequence[int] | np.ndarray]:
    """Splits the classes into rare and non-rare ones.

    1. With ``train_counts``, if the protocol is 'qpic' or the vocabulary has no list of rare classes: rare are those with fewer
       than 10 training instances. With 'qpic', classes without training instances belong to neither group.
    2. Otherwise the list of the vocabulary decides.

    Args:
        vocabulary (HOIVocabulary): Vocabulary of the dataset.
        train_counts (np.ndarray, optional): (A,) training instances of each class.
        protocol (str): 'official' or 'qpic'.

    Returns:
        tuple[Sequence[int] | np.ndarray, Sequence[int] | np.ndarray]: Rare and non-rare classes. Both are empty if there is
        neither a list nor ``train_counts``.
    """
    if train_counts is not None and (protocol == 'qpic' or not vocabulary.rare):
        least = 1 if protocol == 'qpic' else 0
        return np.flatnonzero((train_counts >= least) & (train_counts < 10)), np.flatnonzero(train_counts >= 10)
    rare = set(vocabulary.rare)
    return vocabulary.rare, tuple(i for i in range(vocabulary.num_hois) if i not in rare) if rare else ()


def _image_labels(entries: Sequence[GroundTruth]) -> tuple[np.ndarray, np.ndarray]:
    """Image and HOI class of each image-level label. Without image-level labels, those of the triplets."""
    labels = [entry.triplets.labels if entry.image_hois is None else entry.image_hois for entry in entries]
    images = np.repeat(np.arange(len(labels)), [len(part) for part in labels])
    return images, np.concatenate([*labels, np.zeros(0, int)])


def count_triplets(images: Sequence[Mapping[str, Any]], vocabulary: HOIVocabulary) -> np.ndarray:
    """Counts the annotated triplets of each HOI class, (A,), in a split returned by :func:`load_ground_truth`."""
    labels = np.concatenate([np.zeros(0, np.int64), *(image['eval_gt'].triplets.labels for image in images)])
    return np.bincount(labels, minlength=vocabulary.num_hois)
