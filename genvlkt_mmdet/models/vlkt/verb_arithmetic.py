"""Rows that start HOICLIP's verb classifier: what a verb adds to a person and an object, in the space of CLIP."""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from ...converters.files import load_from_local
from ...datasets import HOIDataset
from ...datasets.transforms import MakeCLIPImage
from ...progress import progress_bar
from ...vocabulary import HOIVocabulary
from .clip_source import CLIPSource, image_transform
from .teacher import build_teacher

MODES = ('arithmetic', 'released')


class VerbSums:
    """Sums of crop embeddings, image by image, from which the rows of the verbs follow.

    There are two rules, with h, o and u the embeddings of the crops of person, object and both together:

    - ``'arithmetic'``: the text of the paper (HOICLIP, CVPR 2023, visual semantic arithmetic). A row is the L2-normalised mean of
      2u - o - h over all pairs with the verb.
    - ``'released'``: what the authors' program writes. H of an HOI class is the sum of u, O of an object class the sum of o. O of
      the person also gets the mean h of each image. Both are L2-normalised. A row is the L2-normalised mean of H - O of its
      object over the HOI classes of the verb. If a class occurs several times in one image, only the last one counts.

    A pair without object has the crop of the person as u, and the mean of all persons in place of o. The authors' V-COCO program
    takes the last box of the image for o there, which is not repeated here.

    A verb without a sample has a row of zeros: it adds nothing to the logits of its HOI classes, which then rest on their text.
    In the authors' program, one HOI class without a sample makes the row of its verb NaN. Here, the other classes of the verb
    count.

    Args:
        vocabulary (HOIVocabulary): Verbs and HOI classes.
        width (int): Width D of the embeddings.
        mode (str): The rule.
    """

    def __init__(self, vocabulary: HOIVocabulary, width: int, mode: str = 'arithmetic') -> None:
        if mode not in MODES:
            raise ValueError(f"The rule of verb embeddings must be one of {', '.join(MODES)}, not '{mode}'.")
        self.vocabulary = vocabulary
        self.mode = mode
        self.verb_of = np.array(vocabulary.hoi_verbs)
        self.object_of = np.array(vocabulary.hoi_objects)
        self.pairs = np.zeros(vocabulary.num_verbs, dtype=np.int64)
        self._persons = np.zeros(width)
        self._without_object = np.zeros(vocabulary.num_verbs)
        self._verbs = np.zeros((vocabulary.num_verbs, width))
        self._hois = np.zeros((vocabulary.num_hois, width))
        self._objects = np.zeros((vocabulary.num_objects + 1, width))  # the last one: no object

    def add(self, humans: np.ndarray, objects: np.ndarray, unions: np.ndarray, hois: np.ndarray) -> None:
        """Adds the HOIs of one image. A pair with two HOIs occurs twice.

        Args:
            humans (np.ndarray): (N, D) embeddings h, not normalised.
            objects (np.ndarray): (N, D) embeddings o. Those of HOI classes without object are not used.
            unions (np.ndarray): (N, D) embeddings u.
            hois (np.ndarray): (N) HOI classes.
        """
        if not len(hois):
            return
        verbs, labels = self.verb_of[hois], self.object_of[hois]
        there = labels < self.vocabulary.num_objects
        np.add.at(self.pairs, verbs, 1)
        self._persons += humans.sum(0)
        if self.mode == 'arithmetic':
            np.add.at(self._without_object, verbs, ~there)
            np.add.at(self._verbs, verbs, 2 * unions - np.where(there[:, None], objects, 0) - humans)
            return
        self._objects[self.vocabulary.object_names.index('person')] += humans.mean(0)
        # Not np.add.at: the last one of a class counts alone, as in the authors' program.
        self._objects[labels[there]] += objects[there]
        self._hois[hois] += unions

    def rows(self) -> np.ndarray:
        """The rows of all verbs, (V, D) float32, of length 1. Zeros for a verb without a sample."""
        if self.mode == 'arithmetic':
            mean_person = self._persons / max(self.pairs.sum(), 1)
            return _unit(self._verbs - self._without_object[:, None] * mean_person).astype(np.float32)
        objects, hois = self._objects.copy(), _unit(self._hois)
        objects[-1] = objects[self.vocabulary.object_names.index('person')]
        sampled = np.flatnonzero(hois.any(axis=1))
        rows = np.zeros_like(self._verbs)
        np.add.at(rows, self.verb_of[sampled], hois[sampled] - _unit(objects)[self.object_of[sampled]])
        return _unit(rows).astype(np.float32)


def _unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.linalg.norm(rows, axis=1, keepdims=True).clip(1e-12)


def compute_verb_embeddings(
    dataset: HOIDataset,
    clip: Mapping[str, Any] | str | CLIPSource,
    mode: str = 'arithmetic',
    batch_size: int = 256,
    num_workers: int = 0,
    device: str = 'cpu',
    progress: bool = False,
) -> tuple[Tensor, dict[str, str]]:
    """Embeds persons, objects and pairs of a training set, and makes the rows of the verbs.

    Boxes are cropped from the original image, and each crop gets the whole preprocessing of CLIP. What the dataset leaves out of
    training has no part in the rows: pairs with an unseen HOI of its zero-shot split, and images beyond its fraction.

    Args:
        dataset (HOIDataset): The training set. Its pipeline ends with the loaded image.
        clip (Mapping | str | CLIPSource): The ``clip`` setting, see :meth:`CLIPSource.from_cfg`.
        mode (str): See :class:`VerbSums`.
        batch_size (int): Number of crops that CLIP embeds at once.
        num_workers (int): Number of processes that load and crop images. 0: this one.
        device (str): Device of the CLIP model.
        progress (bool): Whether to show a progress bar.

    Returns:
        tuple[Tensor, dict[str, str]]: Rows (V, D) of unit length, or zeros for verbs without a sample. Where they come from, for
        :func:`save_verb_embeddings`.

    Raises:
        FileNotFoundError: If an image or the CLIP model is missing.
        ValueError: If an image is damaged or the rule is unknown.
    """
    source = CLIPSource.from_cfg(clip)
    teacher = build_teacher(source).to(device)
    transform = {key: value for key, value in image_transform(source).items() if key in ('size', 'mean', 'std')}
    crops = _Crops(dataset, MakeCLIPImage(**transform))
    loader = DataLoader(crops, batch_size=None, num_workers=num_workers)
    sums: VerbSums | None = None
    with progress_bar('crops of images', len(crops), progress) as advance:
        for batch in _batches(loader, batch_size):
            embeddings = teacher(torch.cat([images for images, _ in batch]).to(device)).double().cpu().numpy()
            sums = sums or VerbSums(dataset.vocabulary, embeddings.shape[1], mode)
            ends = np.cumsum([len(images) for images, _ in batch])
            for (_, entries), part in zip(batch, np.split(embeddings, ends[:-1]), strict=True):
                humans, objects, unions, hois = entries.T
                sums.add(part[humans], part[objects], part[unions], hois)
            advance(len(batch))
    assert sums is not None  # a training set has a pair
    origin = dict(
        mode=mode,
        dataset=dataset.vocabulary.name,
        zero_shot=dataset.zero_shot or '',
        clip=source.label,
        weights_sha256=source.fingerprint() or '',
        images=str(len(crops)),
        pairs=json.dumps(sums.pairs.tolist()),
        date=date.today().isoformat(),
    )
    return torch.from_numpy(sums.rows()), origin


class _Crops(torch.utils.data.Dataset):
    """The crops of each image, (K, 3, S, S), and its HOIs, (N, 4): crops of person, object and both, and HOI class."""

    def __init__(self, dataset: HOIDataset, transform: MakeCLIPImage) -> None:
        self.dataset = dataset
        self.transform = transform

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> tuple[Tensor, np.ndarray]:
        item = self.dataset[index]
        pairs, boxes = item['pairs'], [instance['bbox'] for instance in item['instances']]
        places: dict[tuple[float, ...], int] = {}

        def place(box: Sequence[float]) -> int:
            return places.setdefault(tuple(box), len(places))

        entries = []
        for pair, column in np.argwhere(pairs['hoi_labels']):
            human = np.array(boxes[pairs['human_ids'][pair]])
            obj = pairs['object_ids'][pair]
            other = human if obj < 0 else np.array(boxes[obj])
            union = (*np.minimum(human, other)[:2], *np.maximum(human, other)[2:])
            entries.append((place(human), place(other), place(union), self.dataset.seen[column]))
        crops = [self.transform.transform(dict(img=_crop(item['img'], box)))['clip_image'] for box in places]
        return torch.stack(crops), np.array(entries, dtype=np.int64)


def _crop(image: np.ndarray, box: Sequence[float]) -> np.ndarray:
    """Part of an image (H, W, 3) inside a box, rounded to pixels as PIL does, at least one pixel in size."""
    (x1, y1, x2, y2), (height, width) = (round(value) for value in box), image.shape[:2]
    x1, y1 = min(max(x1, 0), width - 1), min(max(y1, 0), height - 1)
    return image[y1 : max(y2, y1 + 1), x1 : max(x2, x1 + 1)]


def _batches(loader: DataLoader, size: int) -> Iterator[list[tuple[Tensor, np.ndarray]]]:
    """Groups the images so that each group has about a number of crops."""
    group, count = [], 0
    for images, entries in loader:
        group.append((images, np.asarray(entries)))
        count += len(images)
        if count >= size:
            yield group
            group, count = [], 0
    if group:
        yield group


def read_official_verbs(path: str | Path, vocabulary: HOIVocabulary) -> Tensor:
    """Reads a verb file of the authors: a tensor (V, D) that was saved by itself (``tmp/verb.pth``, ``tmp/vcoco_verb.pth``).

    The rows stay as they are. Those of HICO-DET have length 1. Those of V-COCO have lengths from 0.40 to 20.4, which a
    normalisation would change.

    Args:
        path (str | Path): The file.
        vocabulary (HOIVocabulary): The vocabulary, ``'hico'`` or ``'vcoco'``. Its verbs have the order of the authors.

    Returns:
        Tensor: (V, D) float32.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it holds anything else.
    """
    rows = load_from_local(str(path), 'cpu')
    if not isinstance(rows, Tensor) or rows.dim() != 2 or not rows.is_floating_point():
        raise ValueError(f"'{path}' holds no table of verb rows: give the authors' verb.pth or vcoco_verb.pth.")
    if len(rows) != vocabulary.num_verbs:
        raise ValueError(
            f"'{path}' has {len(rows)} verbs, but the vocabulary '{vocabulary.name}' has {vocabulary.num_verbs}: choose the "
            'one that the file belongs to.'
        )
    return rows.detach().float().clone()
