"""Human-object pairs as arrays: detected and annotated triplets, and the box of a pair without object."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from torch import Tensor

Boxes = TypeVar('Boxes', np.ndarray, Tensor)


def has_object(object_boxes: Boxes) -> Boxes:
    """Which pairs have an object: the box of an object that is not there is NaN.

    Args:
        object_boxes (np.ndarray | Tensor): (..., 4) boxes.

    Returns:
        np.ndarray | Tensor: (...) bool.

    Example:
        >>> has_object(np.array([[0.0, 0, 9, 9], [np.nan] * 4])).tolist()
        [True, False]
    """
    return ~(object_boxes != object_boxes).any(-1)


def zeros_to_no_object(object_boxes: Boxes) -> Boxes:
    """Replaces boxes of four zeros, which ``gt_pairs`` and V-COCO's files use for 'no object', by NaN.

    Args:
        object_boxes (np.ndarray | Tensor): (..., 4) float boxes; they are not changed.

    Returns:
        np.ndarray | Tensor: (..., 4) boxes.
    """
    boxes = object_boxes + 0
    boxes[~(boxes != 0).any(-1)] = float('nan')
    return boxes


@dataclass(frozen=True, eq=False)
class Triplets:
    """n <human box, object box, class> triplets of one or many images, annotated or detected.

    Attributes:
        images (np.ndarray): (n,) index of the image of each triplet; zeros for one image.
        human_boxes (np.ndarray): (n, 4) xyxy pixels of the original image, 0-based.
        object_boxes (np.ndarray): (n, 4) likewise; NaN where there is no object, see :func:`has_object`.
        labels (np.ndarray): (n,) class index: HOI classes, or V-COCO's verbs.
        scores (np.ndarray, optional): (n,) confidence; None for ground truth.
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
        """np.ndarray: (n,) The scores of detections.

        Raises:
            ValueError: If the triplets have none, as ground truth has not.
        """
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
        """Triplets of one image.

        Args:
            human_boxes (array_like): (n, 4) boxes.
            object_boxes (array_like): (n, 4) boxes, NaN without object.
            labels (array_like): (n,) class indices.
            scores (array_like, optional): (n,) confidences.

        Returns:
            Triplets: The triplets.
        """
        labels = np.asarray(labels)
        return cls(
            np.zeros(len(labels), dtype=np.int64),
            np.asarray(human_boxes).reshape(-1, 4),
            np.asarray(object_boxes).reshape(-1, 4),
            labels.astype(np.int64) if labels.dtype.kind == 'f' else labels,  # an empty list has floats
            None if scores is None else np.asarray(scores),
        )

    @classmethod
    def join(cls, images: Sequence['Triplets']) -> 'Triplets':
        """Joins the triplets of images; entry i becomes image i.

        Args:
            images (Sequence[Triplets]): The triplets of each image, all with scores or all without.

        Returns:
            Triplets: All of them, in float64 and int64.
        """

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
    """The annotated persons of an image, which V-COCO's evaluation counts whether they do something or not.

    They cannot be told from triplets: a person without a triplet may be annotated (with no action) or not, and two
    persons may have one box.

    Attributes:
        boxes (np.ndarray): (P, 4) xyxy pixels of the original image.
        annotated (np.ndarray): (P,) bool, False for a person whose actions were not annotated.
        of_triplets (np.ndarray): (n,) the person of each triplet.
    """

    boxes: np.ndarray
    annotated: np.ndarray
    of_triplets: np.ndarray


@dataclass(frozen=True, eq=False)
class GroundTruth:
    """Annotation of one image for the evaluation, as it is in the file.

    Attributes:
        triplets (Triplets): The annotated triplets.
        image_hois (np.ndarray, optional): (k,) HOI classes of the image-level labels, where the dataset has more of them
            than boxes.
        persons (Persons, optional): V-COCO's persons. Labels of the triplets are verbs then, else HOI classes.
    """

    triplets: Triplets
    image_hois: np.ndarray | None = None
    persons: Persons | None = None
