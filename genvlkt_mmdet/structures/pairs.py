"""Human-object pairs as arrays: detected and annotated triplets, and the box of a pair without object."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from torch import Tensor

Boxes = TypeVar('Boxes', np.ndarray, Tensor)


def has_object(object_boxes: Boxes) -> Boxes:
    """Returns which pairs have an object, (...) bool, from object boxes (..., 4). Without an object, the box is NaN.

    Examples:
        >>> has_object(np.array([[0.0, 0, 9, 9], [np.nan] * 4])).tolist()
        [True, False]
    """
    return ~(object_boxes != object_boxes).any(-1)


def zeros_to_no_object(object_boxes: Boxes) -> Boxes:
    """Returns a copy of float boxes (..., 4) with NaN for four zeros, 'no object' in ``gt_pairs`` and V-COCO's files."""
    boxes = object_boxes + 0
    boxes[~(boxes != 0).any(-1)] = float('nan')
    return boxes


@dataclass(frozen=True, eq=False)
class Triplets:
    """n <human box, object box, class> triplets of one or many images, annotated or detected.

    Attributes:
        images (np.ndarray): (n,) index of the image of each triplet. Zeros if there is one image.
        human_boxes (np.ndarray): (n, 4) xyxy pixels of the original image, 0-based.
        object_boxes (np.ndarray): (n, 4) likewise. NaN if there is no object, see :func:`has_object`.
        labels (np.ndarray): (n,) index of the HOI class, or of V-COCO's verb.
        scores (np.ndarray, optional): (n,) confidence. None for ground truth.
    """

    images: np.ndarray
    human_boxes: np.ndarray
    object_boxes: np.ndarray
    labels: np.ndarray
    scores: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def detection_scores(self) -> np.ndarray:
        """np.ndarray: (n,) scores of detections. Raises a ValueError for ground truth."""
        if self.scores is None:
            raise ValueError('These triplets have no scores: they are ground truth, not detections.')
        return self.scores

    def __getitem__(self, index: np.ndarray) -> 'Triplets':
        """The triplets of an index array or mask."""
        scores = None if self.scores is None else self.scores[index]
        return Triplets(
            self.images[index], self.human_boxes[index], self.object_boxes[index], self.labels[index], scores
        )

    @classmethod
    def of_image(cls, human_boxes: Any, object_boxes: Any, labels: Any, scores: Any = None) -> 'Triplets':
        """Makes the triplets of one image from anything that numpy turns into arrays."""
        labels = np.asarray(labels)
        return cls(
            np.zeros(len(labels), dtype=np.int64),
            np.asarray(human_boxes).reshape(-1, 4),
            np.asarray(object_boxes).reshape(-1, 4),
            labels.astype(np.int64) if labels.dtype.kind == 'f' else labels,  # of an empty list
            None if scores is None else np.asarray(scores),
        )

    @classmethod
    def join(cls, images: Sequence['Triplets']) -> 'Triplets':
        """Joins the triplets of images, all with scores or all without, in float64 and int64. Entry i becomes image i."""

        def stack(arrays: list[np.ndarray], empty: np.ndarray) -> np.ndarray:
            return np.concatenate([array.astype(empty.dtype, copy=False) for array in [*arrays, empty]])

        scores = [image.scores for image in images if image.scores is not None]
        return cls(
            images=np.repeat(np.arange(len(images)), [len(image) for image in images]),
            human_boxes=stack([image.human_boxes for image in images], np.zeros((0, 4))),
            object_boxes=stack([image.object_boxes for image in images], np.zeros((0, 4))),
            labels=stack([image.labels for image in images], np.zeros(0, np.int64)),
            scores=stack(scores, np.zeros(0)) if scores else None,
        )


@dataclass(frozen=True, eq=False)
class Persons:
    """The annotated persons of an image, which V-COCO's evaluation counts with and without actions.

    Triplets do not determine them: a person without a triplet can be annotated (with no action) or not, and two persons can
    have the same box.

    Attributes:
        boxes (np.ndarray): (P, 4) xyxy pixels of the original image.
        annotated (np.ndarray): (P,) bool. False if the person's actions were not annotated.
        of_triplets (np.ndarray): (n,) index of the person of each triplet.
    """

    boxes: np.ndarray
    annotated: np.ndarray
    of_triplets: np.ndarray


@dataclass(frozen=True, eq=False)
class GroundTruth:
    """Annotation of one image for the evaluation, as in the file.

    Attributes:
        triplets (Triplets): The annotated triplets. Labels are verbs if there are ``persons``, else HOI classes.
        image_hois (np.ndarray, optional): (k,) HOI classes of the image-level labels, if the dataset has them.
        persons (Persons, optional): V-COCO's persons.
        boxes (np.ndarray, optional): (N, 4) all annotated boxes, also those of no triplet, xyxy pixels. Only the diagnosis
            of errors and :class:`HOIBoxMetric` need them.
        box_labels (np.ndarray, optional): (N,) their objects.
        box_repeats (np.ndarray, optional): (N,) bool, True for a box that repeats an earlier one: HICO-DET's release has a box of
            the same person for every HOI class.
    """

    triplets: Triplets
    image_hois: np.ndarray | None = None
    persons: Persons | None = None
    boxes: np.ndarray | None = None
    box_labels: np.ndarray | None = None
    box_repeats: np.ndarray | None = None
