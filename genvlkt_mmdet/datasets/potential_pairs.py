"""Potential pairs: unannotated persons and objects of a training image, found by a detector and named by CLIP."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..files import write_file
from ..structures import box_iou

_FORMAT = 'genvlkt potential pairs'


@dataclass(frozen=True)
class PotentialPairs:
    """n persons with an object near them in one image, as a detector sees them.

    Attributes:
        human_boxes (np.ndarray): (n, 4) float32, xyxy pixels of the original image.
        object_boxes (np.ndarray): (n, 4), likewise.
        object_labels (np.ndarray): (n,) object indices.
        similarities (np.ndarray): (n, A) cosine of CLIP's embedding of the pair and of the text of each HOI class. Minus infinity
            for the classes of other objects.
    """

    human_boxes: np.ndarray
    object_boxes: np.ndarray
    object_labels: np.ndarray
    similarities: np.ndarray

    def __len__(self) -> int:
        return len(self.object_labels)

    @classmethod
    def none(cls, num_hois: int) -> 'PotentialPairs':
        """No pair of A HOI classes."""
        boxes = np.zeros((0, 4), dtype=np.float32)
        return cls(boxes, boxes, np.zeros(0, dtype=np.int64), np.zeros((0, num_hois), dtype=np.float32))

    def __getitem__(self, index: Any) -> 'PotentialPairs':
        return PotentialPairs(*(values[index] for values in vars(self).values()))


def write_potential_pairs(
    path: str | Path, pairs: Mapping[str, PotentialPairs], num_hois: int, settings: Mapping[str, Any] | None = None
) -> None:
    """Writes the potential pairs of all images to a JSON file.

    Args:
        path (str | Path): The file. It is written in one step.
        pairs (Mapping[str, PotentialPairs]): Pairs of each image, by its file name in the annotation file.
        num_hois (int): Number of HOI classes A.
        settings (Mapping, optional): What they were made with. :func:`read_potential_pairs` compares it.
    """
    images = {
        name: [
            dict(
                human_box=[round(float(x), 2) for x in human],
                object_box=[round(float(x), 2) for x in obj],
                object=int(label),
                similarities={int(k): round(float(values[k]), 4) for k in np.flatnonzero(np.isfinite(values))},
            )
            for human, obj, label, values in zip(*vars(found).values(), strict=True)
        ]
        for name, found in pairs.items()
    }
    content = dict(format=_FORMAT, num_hois=num_hois, settings=settings or {}, images=images)
    write_file(Path(path), json.dumps(content).encode())


def read_potential_pairs(
    path: str | Path, num_hois: int, settings: Mapping[str, Any] | None = None
) -> dict[str, PotentialPairs]:
    """Reads a file of :func:`write_potential_pairs`.

    Raises:
        ValueError: If it is no such file, or was made with another vocabulary or other ``settings`` (None: any).
    """
    content = json.loads(Path(path).read_text(encoding='utf-8'))
    if not isinstance(content, dict) or content.get('format') != _FORMAT:
        raise ValueError(f"'{path}' is no file of potential pairs: make it with `genvlkt data potential`.")
    if (
        content['num_hois'] != num_hois
        or settings is not None
        and content['settings'] != json.loads(json.dumps(settings))
    ):
        raise ValueError(
            f"'{path}' was made with another vocabulary, detector or CLIP model: delete it, or make it again with `genvlkt data "
            'potential`.'
        )
    return {name: _of_image(pairs, num_hois) for name, pairs in content['images'].items()}


def _of_image(pairs: Sequence[Mapping[str, Any]], num_hois: int) -> PotentialPairs:
    similarities = np.full((len(pairs), num_hois), -np.inf, dtype=np.float32)
    for row, pair in zip(similarities, pairs, strict=True):
        row[[int(k) for k in pair['similarities']]] = list(pair['similarities'].values())
    return PotentialPairs(
        np.array([pair['human_box'] for pair in pairs], dtype=np.float32).reshape(-1, 4),
        np.array([pair['object_box'] for pair in pairs], dtype=np.float32).reshape(-1, 4),
        np.array([pair['object'] for pair in pairs], dtype=np.int64),
        similarities,
    )


@dataclass(frozen=True)
class PotentialPairRule:
    """Which potential pairs are trained, and with which labels.

    Annotators have marked all seen interactions. So a pair that is not annotated can only have an unseen one. It is trained if

    - its object overlaps no annotated object (IoU below 0.5),
    - CLIP finds an unseen class at least as likely as all seen ones together, and
    - CLIP is as sure of its best class as of most annotated pairs.

    The last condition needs no number for each CLIP model: the threshold is a quantile over the annotated pairs. Only seen
    annotations enter.

    Attributes:
        share (float): Share of the annotated pairs that are above the threshold, 0 to 1.
        temperature (float): Temperature of the softmax over the similarities of the object's classes, which gives the labels.
    """

    share: float = 0.95
    temperature: float = 0.01

    def labels(self, similarities: np.ndarray) -> np.ndarray:
        """Probability of every class, (n, A), from similarities (n, A)."""
        logits = (similarities - similarities.max(axis=1, keepdims=True)) / self.temperature
        exp = np.exp(logits)
        return (exp / exp.sum(axis=1, keepdims=True)).astype(np.float32)

    def select(
        self, images: Sequence[tuple[np.ndarray, np.ndarray, PotentialPairs]], unseen: Sequence[int]
    ) -> Iterator[tuple[PotentialPairs, np.ndarray]]:
        """Selects the pairs to train.

        Args:
            images (Sequence[tuple]): For each image, the human boxes (m, 4) and object boxes (m, 4) of its annotated pairs, and
                its potential pairs.
            unseen (Sequence[int]): The unseen HOI classes.

        Yields:
            tuple[PotentialPairs, np.ndarray]: The k selected pairs of each image, and their labels (k, A), probabilities.
        """
        sure = [np.zeros(0, dtype=np.float32)]
        for humans, objects, found in images:
            if len(found) and len(humans):
                both = np.minimum(_iou(found.human_boxes, humans), _iou(found.object_boxes, objects))
                sure.append(found.similarities.max(axis=1)[both.max(axis=1) >= 0.5])
        values = np.concatenate(sure)
        threshold = np.quantile(values, 1 - self.share) if len(values) else -np.inf
        for _, objects, found in images:
            labels = self.labels(found.similarities)
            keep = (found.similarities.max(axis=1) >= threshold) & (labels[:, list(unseen)].sum(axis=1) >= 0.5)
            if len(objects):
                keep &= _iou(found.object_boxes, objects).max(axis=1) < 0.5
            yield found[keep], labels[keep]


def _iou(boxes1: np.ndarray, boxes2: np.ndarray) -> np.ndarray:
    return box_iou(boxes1[:, None], boxes2[None], plus_one=False)
