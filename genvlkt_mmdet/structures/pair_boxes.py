"""Boxes that remember their instances, so that pairs keep their boxes through any transform."""

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from mmdet.structures.bbox import HorizontalBoxes, register_box, register_box_converter


@register_box('pair_box')
class PairBoxes(HorizontalBoxes):
    """Horizontal boxes that remember which instances of which image they are.

    mmdet's transforms have no notion of pairs. They drop, reorder and join boxes, by indexing or with :meth:`cat`. These boxes
    keep their identity in both. After any other operation, boxes have no identity, and :meth:`find_pairs` raises
    an error: a pair never gets the boxes of other instances.

    Args:
        data (Tensor | np.ndarray | Sequence): (N, 4) boxes, xyxy pixels.
        *args: See :class:`mmdet.structures.bbox.HorizontalBoxes`.
        pairs (Mapping, optional): Pairs of the image. ``human_ids`` and ``object_ids`` (-1 for none) are positions in
            ``data``. None: boxes without identity.
        **kwargs: See :class:`mmdet.structures.bbox.HorizontalBoxes`.

    Attributes:
        sources (list[Mapping]): Pairs of each image that boxes come from.
        ids (np.ndarray, optional): (N, 2) index in ``sources`` and position in that image of each box. None for boxes
            without identity.
    """

    def __init__(self, data: Any, *args: Any, pairs: Mapping[str, np.ndarray] | None = None, **kwargs: Any) -> None:
        super().__init__(data, *args, **kwargs)
        self.sources: list[Mapping[str, np.ndarray]] = [] if pairs is None else [pairs]
        self.ids = None
        if pairs is not None:
            self.ids = np.stack([np.zeros(len(self), dtype=np.int64), np.arange(len(self))], axis=1)

    def __getitem__(self, index: Any) -> 'PairBoxes':
        boxes = super().__getitem__(index)
        if self.ids is not None and boxes.dim() == 2:
            index = index.cpu().numpy() if isinstance(index, torch.Tensor) else index
            boxes._identify(self.sources, self.ids[index].reshape(-1, 2))
        return boxes

    def __setitem__(self, index: Any, values: Any) -> None:
        super().__setitem__(index, values)
        self.ids = None

    def __deepcopy__(self, memo: dict) -> 'PairBoxes':
        boxes = super().__deepcopy__(memo)
        # For `cat`, a copy is another image, because a mosaic can contain an image twice.
        return boxes._identify(copy.deepcopy(self.sources, memo), copy.deepcopy(self.ids, memo))

    def clone(self) -> 'PairBoxes':
        """A copy with the same identity."""
        return super().clone()._identify(self.sources, self.ids)

    @classmethod
    def cat(cls, box_list: Sequence[HorizontalBoxes], dim: int = 0) -> 'PairBoxes':
        """Joins boxes of one or more images, see :class:`mmdet.structures.bbox.BaseBoxes`.

        The result has no identity if some of the boxes have none.
        """
        # Boxes that were made from masks are of another class.
        box_list = [boxes if isinstance(boxes, cls) else cls(boxes.tensor, clone=False) for boxes in box_list]
        joined = super().cat(box_list, dim)
        if joined.dim() != 2 or any(boxes.ids is None and len(boxes) for boxes in box_list):
            return joined
        sources = {id(source): source for boxes in box_list for source in boxes.sources}
        places = {key: i for i, key in enumerate(sources)}
        ids = [np.zeros((0, 2), dtype=np.int64)]
        for boxes in filter(len, box_list):
            images = np.array([places[id(source)] for source in boxes.sources])
            ids.append(np.stack([images[boxes.ids[:, 0]], boxes.ids[:, 1]], axis=1))
        return joined._identify(list(sources.values()), np.concatenate(ids))

    def find_pairs(self) -> dict[str, np.ndarray]:
        """Finds the pairs whose boxes are all still there.

        Returns:
            dict[str, np.ndarray]: The fields of all sources, joined. ``human_ids`` (n) and ``object_ids`` (n), -1 for none,
            are positions in these boxes.

        Raises:
            ValueError: If the boxes have no identity, or one of them occurs twice.
        """
        ids = self.ids
        if not self.sources or ids is None or len(ids) != len(self) or len(np.unique(ids, axis=0)) < len(self):
            raise ValueError('these boxes do not say which instances they are')
        parts = []
        for i, source in enumerate(self.sources):
            mine = np.flatnonzero(ids[:, 0] == i)
            known = np.concatenate([ids[mine, 1], source['human_ids'], source['object_ids'], [-1]])
            position = np.full(known.max() + 2, -1)  # index -1, no object, reads its last entry
            position[ids[mine, 1]] = mine
            human, obj = position[source['human_ids']], position[source['object_ids']]
            keep = (human >= 0) & ((obj >= 0) | (source['object_ids'] < 0))
            rows = {key: np.asarray(value)[keep] for key, value in source.items()}
            parts.append({**rows, 'human_ids': human[keep], 'object_ids': obj[keep]})
        return {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}

    def _identify(self, sources: list, ids: np.ndarray | None) -> 'PairBoxes':
        self.sources, self.ids = sources, ids
        return self


# Both kinds have the same coordinates.
register_box_converter('pair_box', 'hbox', lambda boxes: boxes)
register_box_converter('hbox', 'pair_box', lambda boxes: boxes)
