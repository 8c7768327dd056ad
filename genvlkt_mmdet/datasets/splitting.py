"""Splits a dataset into parts that all have its HOI classes, as far as possible."""

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np


def split_records(records: Sequence[dict], shares: Mapping[str, float], seed: int = 0) -> dict[str, list[dict]]:
    """Splits images into parts, so that also rare HOI classes reach every part.

    The method is iterative stratification (Sechidis et al., ECML 2011): the class with the fewest images left is distributed
    first, each of its images to the part that needs the class most. Here, a part that does not have the class yet comes first.
    A class needs an image for each part, and classes that occur only together can leave a part without one of them.

    Args:
        records (Sequence[dict]): Records in the layout of the documented JSON, one per image.
        shares (Mapping[str, float]): Name and share of each part, more than 0. They are divided by their sum. If a class has
            fewer images than there are parts, the first parts get them.
        seed (int): Seed of the order in which images are taken.

    Returns:
        dict[str, list[dict]]: The records of each part, in the order of the file. Each part has its share of the images, rounded.

    Raises:
        ValueError: If a share is not positive, or a part would get no image.
    """
    names, weights = list(shares), np.array(list(shares.values()), dtype=float)
    if not len(weights) or not (weights > 0).all() or not np.isfinite(weights).all():
        raise ValueError(f'The shares of a split must be more than 0, not {dict(shares)}.')
    weights /= weights.sum()
    sizes = _rounded(weights * len(records))
    if sizes.min() < 1:
        raise ValueError(
            f"{len(records)} images are too few: the part '{names[int(sizes.argmin())]}' would get none. Give more images or "
            'fewer parts.'
        )
    classes = [_classes(record) for record in records]
    counts = Counter(c for found in classes for c in found)
    wanted = {c: weights * count for c, count in counts.items()}  # images of each class that each part still needs
    given = {c: np.zeros(len(names), dtype=int) for c in counts}
    room = sizes.astype(float)
    order = np.random.default_rng(seed).permutation(len(records)).tolist()
    part_of: dict[int, int] = {}

    def give(image: int, part: int) -> None:
        part_of[image] = part
        room[part] -= 1
        for c in classes[image]:
            counts[c] -= 1
            wanted[c][part] -= 1
            given[c][part] += 1

    while any(counts.values()):
        rarest = min((c for c in counts if counts[c]), key=lambda c: (counts[c], c))
        for image in order:
            if image in part_of or rarest not in classes[image]:
                continue
            open_parts = [part for part in range(len(names)) if room[part] > 0]
            give(
                image,
                max(open_parts, key=lambda p: (given[rarest][p] == 0, wanted[rarest][p], room[p])),
            )
    for image in order:
        if image not in part_of:  # no interaction
            give(image, int(room.argmax()))
    return {name: [r for i, r in enumerate(records) if part_of[i] == part] for part, name in enumerate(names)}


def _classes(record: dict) -> set[tuple[int, int]]:
    """Verb id and object id (-1 for none) of every triplet of an image."""
    boxes = record['annotations']
    return {
        (hoi['category_id'], boxes[hoi['object_id']]['category_id'] if hoi['object_id'] >= 0 else -1)
        for hoi in record['hoi_annotation']
    }


def _rounded(sizes: np.ndarray) -> np.ndarray:
    """Whole numbers with the same sum: those with the largest fractions are rounded up."""
    whole = np.floor(sizes + 1e-9).astype(int)
    missing = int(round(sizes.sum())) - whole.sum()
    whole[np.argsort(whole - sizes, kind='stable')[:missing]] += 1
    return whole
