"""Evaluation of detections that lie in a file."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..structures import GroundTruth, Triplets
from ..vocabulary import HOIVocabulary, action_slots, load_vocabulary
from .functional import VCOCODetections, VCOCOGroundTruth, hico_report, vcoco_report
from .functional.hico import Protocol
from .io import read_hico_mats, read_results, read_vcoco_pickle, write_hico_mats, write_vcoco_pickle


@dataclass(frozen=True, eq=False)
class Detections:
    """Detections of a split, as they were read.

    Attributes:
        content (Triplets | VCOCODetections): The detections; V-COCO's official pickle knows persons, every other
            format triplets.
        num_missing (int): Number of images of the split that the file says nothing about.
        num_foreign (int): Number of detections in images outside the split, where the format's own program passes
            over them.
    """

    content: Triplets | VCOCODetections
    num_missing: int = 0
    num_foreign: int = 0

    @property
    def triplets(self) -> Triplets:
        """Triplets: The detections, where they are triplets.

        Raises:
            ValueError: If they are V-COCO's persons.
        """
        if not isinstance(self.content, Triplets):
            raise ValueError("These detections are the persons of V-COCO's pickle: evaluate them with its vocabulary.")
        return self.content


def load_detections(
    path: str | Path, images: Sequence[Mapping[str, Any]], vocabulary: str | Mapping | HOIVocabulary
) -> Detections:
    """Reads detections in any of the formats: ours, the pickle of ``vsrl_eval.py``, a folder of ``detections_XX.mat``.

    Args:
        path (str | Path): The results file (JSON), pickle (``.pkl``, ``.pickle``) or folder.
        images (Sequence[Mapping]): The images of the split, of :func:`load_ground_truth`.
        vocabulary (str | Mapping | HOIVocabulary): Vocabulary of the dataset.

    Returns:
        Detections: The detections.

    Raises:
        FileNotFoundError: If the path does not exist.
        ValueError: If the content is wrong or of another dataset; see the readers.
    """
    path, vocabulary = Path(path), load_vocabulary(vocabulary)
    if not path.exists():
        raise FileNotFoundError(f"There are no results at '{path}'.")
    is_vcoco = vocabulary.name == 'vcoco'
    if path.is_dir():
        if is_vcoco:
            raise ValueError(f"'{path}' is a folder: V-COCO's detections are one pickle or one results file.")
        return Detections(*read_hico_mats(path, images, vocabulary))
    if path.suffix in ('.pkl', '.pickle'):
        if not is_vcoco:
            raise ValueError(f"'{path}' is a pickle: only V-COCO's official program has that format.")
        return Detections(*read_vcoco_pickle(path, images, vocabulary.verb_names, *action_slots(vocabulary)))
    num_classes = vocabulary.num_verbs if is_vcoco else vocabulary.num_hois
    return Detections(*read_results(path, images, num_classes, vocabulary.has_no_object))


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
        detections (Detections): Of :func:`load_detections`.
        images (Sequence[Mapping]): The split, of :func:`load_ground_truth`.
        vocabulary (str | Mapping | HOIVocabulary): Vocabulary of the dataset.
        zero_shot (str, optional): Zero-shot split whose unseen and seen classes are reported.
        protocol (str): 'official' or 'qpic', see :func:`evaluate_hico`; V-COCO has 'official' only.
        train_counts (np.ndarray, optional): (A,) training instances of each class. They tell the rare classes (fewer
            than 10) where the vocabulary lists none and under 'qpic', where a class without any is in neither group.

    Returns:
        dict[str, Any]: The report of :func:`hico_report` or :func:`vcoco_report`, with ``num_images`` and
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
        report = report_roles(detections.content, entries, vocabulary)
    else:
        report = report_triplets(detections.triplets, entries, vocabulary, zero_shot, protocol, train_counts)
    return {**report, 'num_images': len(images), 'missing_images': detections.num_missing}


def report_triplets(
    detections: Triplets,
    entries: Sequence[GroundTruth],
    vocabulary: HOIVocabulary,
    zero_shot: str | None = None,
    protocol: Protocol = 'official',
    train_counts: np.ndarray | None = None,
) -> dict[str, Any]:
    """Evaluates triplets of HOI classes: what the metric and the evaluation of files have in common.

    Args:
        detections (Triplets): The detections.
        entries (Sequence[GroundTruth]): Ground truth of each image.
        vocabulary (HOIVocabulary): Vocabulary of the dataset.
        zero_shot (str, optional): Zero-shot split to report.
        protocol (str): 'official' or 'qpic'.
        train_counts (np.ndarray, optional): (A,) training instances of each class, see :func:`rare_classes`.

    Returns:
        dict[str, Any]: The report of :func:`hico_report`.
    """
    return hico_report(
        detections,
        Triplets.join([entry.triplets for entry in entries]),
        len(entries),
        vocabulary.hoi_objects,
        vocabulary.num_objects,
        *rare_classes(vocabulary, train_counts, protocol),
        vocabulary.unseen(zero_shot) if zero_shot else None,
        protocol,
        image_labels(entries),
    )


def report_roles(
    detections: Triplets | VCOCODetections, entries: Sequence[GroundTruth], vocabulary: HOIVocabulary
) -> dict[str, Any]:
    """Evaluates V-COCO's roles and agents: what the metric and the evaluation of files have in common.

    Args:
        detections (Triplets | VCOCODetections): The detections; triplets are of (action, role) classes.
        entries (Sequence[GroundTruth]): Ground truth of each image.
        vocabulary (HOIVocabulary): Vocabulary of the dataset.

    Returns:
        dict[str, Any]: The report of :func:`vcoco_report`.
    """
    actions, slots = action_slots(vocabulary)
    if isinstance(detections, Triplets):
        detections = VCOCODetections.from_triplets(detections, slots)
    gts = VCOCOGroundTruth.from_images(entries, slots)
    return vcoco_report(detections, gts, vocabulary.verb_names, actions, slots)


def export_detections(
    out: str | Path,
    detections: Detections,
    images: Sequence[Mapping[str, Any]],
    vocabulary: str | Mapping | HOIVocabulary,
) -> list[Path]:
    """Writes detections as the official programs read them.

    Args:
        out (str | Path): V-COCO: the pickle; else the folder of ``detections_XX.mat``.
        detections (Detections): Of :func:`load_detections`.
        images (Sequence[Mapping]): The split, of :func:`load_ground_truth`.
        vocabulary (str | Mapping | HOIVocabulary): Vocabulary of the dataset.

    Returns:
        list[Path]: The files.
    """
    vocabulary = load_vocabulary(vocabulary)
    if vocabulary.name != 'vcoco':
        return write_hico_mats(out, detections.triplets, images, vocabulary)
    content = detections.content
    actions, slots = action_slots(vocabulary)
    if isinstance(content, Triplets):
        content = VCOCODetections.from_triplets(content, slots)
    write_vcoco_pickle(out, content, images, vocabulary.verb_names, actions, slots)
    return [Path(out)]


def rare_classes(
    vocabulary: HOIVocabulary, train_counts: np.ndarray | None = None, protocol: Protocol = 'official'
) -> tuple[Sequence[int] | np.ndarray, Sequence[int] | np.ndarray]:
    """Classes that count as rare and as non-rare.

    Args:
        vocabulary (HOIVocabulary): The vocabulary; its list is taken where nothing below says otherwise.
        train_counts (np.ndarray, optional): (A,) training instances of each class; decides where the vocabulary lists no
            rare class, and under 'qpic', whose classes without training instances are in neither group.
        protocol (str): 'official' or 'qpic'.

    Returns:
        tuple[Sequence[int] | np.ndarray, Sequence[int] | np.ndarray]: The two groups; both empty where nothing tells them apart.
    """
    if train_counts is not None and (protocol == 'qpic' or not vocabulary.rare):
        least = 1 if protocol == 'qpic' else 0
        return np.flatnonzero((train_counts >= least) & (train_counts < 10)), np.flatnonzero(train_counts >= 10)
    rare = set(vocabulary.rare)
    return vocabulary.rare, tuple(i for i in range(vocabulary.num_hois) if i not in rare) if rare else ()


def image_labels(entries: Sequence[GroundTruth]) -> tuple[np.ndarray, np.ndarray]:
    """Image-level HOI labels of a split, which decide about Known Object.

    Args:
        entries (Sequence[GroundTruth]): Ground truth of each image: ``image_hois`` where the dataset has image-level labels,
            else the labels of the triplets.

    Returns:
        tuple[np.ndarray, np.ndarray]: Image and HOI class of every label.
    """
    labels = [entry.triplets.labels if entry.image_hois is None else entry.image_hois for entry in entries]
    return np.repeat(np.arange(len(labels)), [len(part) for part in labels]), np.concatenate(
        [*labels, np.zeros(0, int)]
    )


def count_triplets(images: Sequence[Mapping[str, Any]], vocabulary: HOIVocabulary) -> np.ndarray:
    """Annotated triplets of each HOI class.

    Args:
        images (Sequence[Mapping]): A split of triplets, of :func:`load_ground_truth`.
        vocabulary (HOIVocabulary): Its vocabulary.

    Returns:
        np.ndarray: (A,) counts.
    """
    labels = np.concatenate([np.zeros(0, np.int64), *(image['eval_gt'].triplets.labels for image in images)])
    return np.bincount(labels, minlength=vocabulary.num_hois)
