"""Triplets of many images as flat arrays."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import DTypeLike


@dataclass(frozen=True, eq=False)
class Triplets:
    """n <human box, object box, class> triplets of a whole data set, annotated or detected.

    Attributes:
        images (np.ndarray): (n,) index of the image of each triplet.
        human_boxes (np.ndarray): (n, 4) xyxy pixels, 0-based.
        object_boxes (np.ndarray): (n, 4) likewise; NaN where a V-COCO triplet has no object.
        labels (np.ndarray): (n,) class index.
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
    def from_images(cls, entries: Sequence[Mapping[str, np.ndarray]], label_key: str = 'labels') -> 'Triplets':
        """Joins per-image arrays; entry i becomes image i.

        Args:
            entries (Sequence[Mapping]): Per image ``human_boxes`` (m, 4), ``object_boxes`` (m, 4), the labels (m,) and,
                for detections, ``scores`` (m,).
            label_key (str): Name of the labels in an entry.

        Returns:
            Triplets: All of them.
        """

        def join(key: str, shape: tuple[int, ...], dtype: DTypeLike) -> np.ndarray:
            parts: list[np.ndarray] = [np.asarray(entry[key], dtype=dtype).reshape(shape) for entry in entries]
            return np.concatenate(parts) if parts else np.zeros([max(s, 0) for s in shape], dtype)

        counts = [len(entry[label_key]) for entry in entries]
        scored = bool(entries) and 'scores' in entries[0]
        return cls(
            images=np.repeat(np.arange(len(entries)), counts),
            human_boxes=join('human_boxes', (-1, 4), np.float64),
            object_boxes=join('object_boxes', (-1, 4), np.float64),
            labels=join(label_key, (-1,), np.int64),
            scores=join('scores', (-1,), np.float64) if scored else None,
        )
