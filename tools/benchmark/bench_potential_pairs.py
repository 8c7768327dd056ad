"""How many of the pairs that a zero-shot split drops are found as potential pairs, and named right.

Only this report compares with the annotations of unseen HOIs. It reads the validation split of MiniHOI.

Example:
    python tools/benchmark/bench_potential_pairs.py
"""

import argparse
from pathlib import Path

import numpy as np
from mmdet.registry import DATASETS
from mmengine.registry import init_default_scope

from genvlkt_mmdet.apis.configs import read_config
from genvlkt_mmdet.apis.potential_pairs import PotentialPairFinder
from genvlkt_mmdet.datasets.potential_pairs import PotentialPairRule, PotentialPairs
from genvlkt_mmdet.structures import box_iou
from genvlkt_mmdet.text_table import text_table

Annotated = list[tuple[np.ndarray, np.ndarray, set[int]]]


def annotated_pairs(item: dict) -> Annotated:
    """Human box, object box and HOI classes of each annotated pair of an item."""
    boxes = [np.array(instance['bbox'], dtype=np.float32) for instance in item['instances']]
    pairs = item['pairs']
    return [
        (boxes[human], boxes[obj], set(np.flatnonzero(labels).tolist()))
        for human, obj, labels in zip(pairs['human_ids'], pairs['object_ids'], pairs['hoi_labels'], strict=True)
    ]


def count(split: str, annotated: list[Annotated], found: list[PotentialPairs], unseen: tuple[int, ...]) -> list:
    """Row of a split: dropped pairs, trained potential pairs, those that are dropped pairs, and those that are named right."""
    images, dropped = [], []
    for pairs, potential in zip(annotated, found, strict=True):
        kept = [pair for pair in pairs if not pair[2] & set(unseen)]
        humans, objects = (np.array([pair[i] for pair in kept], dtype=np.float32).reshape(-1, 4) for i in (0, 1))
        images.append((humans, objects, potential))
        dropped.append([pair for pair in pairs if pair[2] & set(unseen)])
    trained = located = right = 0
    for (kept, labels), truth in zip(PotentialPairRule().select(images, unseen), dropped, strict=True):
        trained += len(kept)
        for human, obj, probabilities in zip(kept.human_boxes, kept.object_boxes, labels, strict=True):
            hit = [hois for h, o, hois in truth if min(box_iou(human, h), box_iou(obj, o)) >= 0.5]
            located += bool(hit)
            right += any(int(probabilities.argmax()) in hois for hois in hit)
    return [split, *map(str, (sum(map(len, dropped)), trained, located, right))]


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.parse_args()
    cfg = read_config('gen_vlkt_tiny_minihoi_rf_uc_potential')
    init_default_scope('mmdet')
    dataset = DATASETS.build(dict(cfg.val_dataloader.dataset, zero_shot=None, pipeline=[]))
    items = [dataset.get_data_info(i) for i in range(len(dataset))]
    settings = {k: v for k, v in cfg.train_dataloader.dataset.potential_pairs.items() if k not in ('file', 'rule')}
    found = PotentialPairFinder(dataset.vocabulary, **settings).find([Path(item['img_path']) for item in items])
    annotated = [annotated_pairs(item) for item in items]
    rows = [count(split, annotated, found, dataset.vocabulary.unseen(split)) for split in dataset.vocabulary.splits]
    print(text_table(['split', 'dropped pairs', 'trained', 'of them dropped pairs', 'named right'], rows))


if __name__ == '__main__':
    main()
