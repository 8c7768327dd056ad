from collections import Counter

import numpy as np
import pytest

from genvlkt_mmdet.datasets.splitting import split_records
from genvlkt_mmdet.minihoi import DIFFICULTIES, annotate, sample_scene

THREE = dict(train=0.6, val=0.2, test=0.2)


def scenes(number: int, seed: int, long_tail: bool = False) -> list[dict]:
    streams = (np.random.default_rng([seed, i]) for i in range(number))
    records = [annotate(sample_scene(rng, DIFFICULTIES['default'], long_tail)) for rng in streams]
    return [dict(record, file_name=f'{i}.jpg') for i, record in enumerate(records)]


def images_of_classes(records: list[dict]) -> Counter:
    return Counter(c for record in records for c in {h['hoi_category_id'] for h in record['hoi_annotation']})


def test_rare_classes_reach_every_part():
    """Of 46 classes with a long tail, every class with an image per part is in every part; a random split misses many."""
    records = scenes(150, seed=0, long_tail=True)
    counts = images_of_classes(records)
    enough = {c for c, n in counts.items() if n >= 3}
    assert len(enough) >= 25 and min(counts[c] for c in enough) == 3
    parts = split_records(records, THREE)
    assert {name: len(part) for name, part in parts.items()} == dict(train=90, val=30, test=30)
    assert sorted(r['file_name'] for part in parts.values() for r in part) == sorted(r['file_name'] for r in records)
    for part in parts.values():
        assert enough <= set(images_of_classes(part))
    # classes of two images are in training and in one other part
    assert {c for c, n in counts.items() if n == 2} <= set(images_of_classes(parts['train']))
    # frequent classes keep their share
    train = images_of_classes(parts['train'])
    for c, n in counts.items():
        if n >= 10:
            assert abs(train[c] / n - 0.6) < 0.15
    rng = np.random.default_rng(0)
    drawn = [records[i] for i in rng.permutation(150)[:30]]
    assert not enough <= set(images_of_classes(drawn))


def test_seed_decides():
    records = scenes(40, seed=1)
    one, same, other = (split_records(records, THREE, seed) for seed in (0, 0, 1))
    assert one == same and one != other
    assert all(part == sorted(part, key=records.index) for part in one.values())


def test_images_without_pairs_fill_the_parts():
    records = [dict(file_name=str(i), annotations=[], hoi_annotation=[]) for i in range(10)]
    parts = split_records(records, dict(a=3, b=1))
    assert len(parts['a']) == 8 and len(parts['b']) == 2  # 7.5 and 2.5, rounded


@pytest.mark.parametrize('shares', [dict(), dict(a=0, b=1), dict(a=-1, b=2), dict(a=float('nan'), b=1)])
def test_wrong_shares(shares):
    with pytest.raises(ValueError, match='shares'):
        split_records(scenes(4, seed=0), shares)


def test_too_few_images():
    with pytest.raises(ValueError, match="the part 'test' would get none"):
        split_records(scenes(2, seed=0), THREE)
