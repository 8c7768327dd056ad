from collections import Counter

import numpy as np
import pytest

from genvlkt_mmdet.minihoi import SPLIT_SIZES, Difficulty, sample_pairs
from genvlkt_mmdet.minihoi.catalog import RARE_BELOW, TRAIN_FREQUENCY
from genvlkt_mmdet.minihoi.rendering import LONG_TAIL_SPLITS, STREAMS
from genvlkt_mmdet.vocabulary import load_vocabulary


@pytest.fixture(scope='module')
def vocab():
    return load_vocabulary('minihoi')


@pytest.fixture(scope='module')
def label_lists():
    """HOI classes of every pair of the default train, val and test split."""
    return {
        split: [
            hois
            for index in range(SPLIT_SIZES[split])
            for hois in sample_pairs(
                np.random.default_rng([0, STREAMS[split], index]), Difficulty(), split in LONG_TAIL_SPLITS
            )
        ]
        for split in ('train', 'val', 'test')
    }


def test_size_and_wording(vocab):
    assert (vocab.num_objects, vocab.num_verbs, vocab.num_hois) == (10, 8, 46)
    assert vocab.object_names[0] == 'person' and vocab.object_ids == tuple(range(1, 11))
    assert vocab.hoi_prompts[vocab.hoi_index('ride', 'horse')] == 'a photo of a person riding a horse'
    assert vocab.hoi_prompts[vocab.hoi_index('wash', 'umbrella')] == 'a photo of a person washing an umbrella'
    assert vocab.phrase(vocab.hoi_index('jump_over', 'dog')) == 'person jumping over a dog'
    assert vocab.object_prompts[-1] == 'a photo of nothing' and len(vocab.object_prompts) == 11
    for verb, obj, prompt in zip(vocab.hoi_verbs, vocab.hoi_objects, vocab.hoi_prompts, strict=True):
        assert f'{vocab.verb_phrases[verb]} ' in prompt and prompt.endswith(f' {vocab.object_names[obj]}')
    assert 0 not in vocab.hoi_objects


def test_catalog_and_vocabulary_name_the_same_classes(vocab):
    named = {(verb, obj) for verb, objects in TRAIN_FREQUENCY.items() for obj in objects}
    pairs = zip(vocab.hoi_verbs, vocab.hoi_objects, strict=True)
    assert named == {(vocab.verb_names[v], vocab.object_names[o]) for v, o in pairs}


def test_rare_classes_are_those_with_few_training_instances(vocab, label_lists):
    counts = Counter(hoi for hois in label_lists['train'] for hoi in hois)
    assert vocab.rare == tuple(i for i in range(vocab.num_hois) if counts[i] < RARE_BELOW)
    assert 0.2 < len(vocab.rare) / vocab.num_hois < 0.3
    assert min(counts.values()) >= 30 and max(counts.values()) > 10 * min(counts.values())


def test_every_class_is_tested_often_enough(vocab, label_lists):
    for split, least in (('val', 8), ('test', 15)):
        counts = Counter(hoi for hois in label_lists[split] for hoi in hois)
        assert len(counts) == vocab.num_hois and min(counts.values()) >= least


def test_splits_leave_every_part_seen_elsewhere(vocab):
    assert set(vocab.splits) == {'rare_first', 'non_rare_first', 'unseen_object', 'unseen_verb'}
    assert set(vocab.unseen('rare_first')) <= set(vocab.rare)
    assert not set(vocab.unseen('non_rare_first')) & set(vocab.rare)
    for split in ('rare_first', 'non_rare_first'):
        seen = vocab.seen(split)
        assert {vocab.hoi_verbs[i] for i in seen} == set(range(vocab.num_verbs))
        assert {vocab.hoi_objects[i] for i in seen} == set(range(1, vocab.num_objects))
        assert 0.15 < len(vocab.unseen(split)) / vocab.num_hois < 0.25
    for split, parts in (('unseen_object', vocab.hoi_objects), ('unseen_verb', vocab.hoi_verbs)):
        unseen = {parts[i] for i in vocab.unseen(split)}
        assert len(unseen) == 1 and not unseen & {parts[i] for i in vocab.seen(split)}


@pytest.mark.parametrize('split', ['rare_first', 'non_rare_first', 'unseen_object', 'unseen_verb'])
def test_no_seen_class_implies_an_unseen_one(vocab, label_lists, split):
    """Of the pairs with a seen class, hardly any carries the unseen class too: finding it is a false positive."""
    unseen = set(vocab.unseen(split))
    for seen in vocab.seen(split):
        pairs = [hois for hois in label_lists['test'] if seen in hois]
        assert sum(bool(unseen & set(hois)) for hois in pairs) <= 0.45 * len(pairs)


def test_some_pairs_have_two_classes_of_one_object(vocab, label_lists):
    for pairs in label_lists.values():
        double = [hois for hois in pairs if len(hois) == 2]
        assert 0.01 < len(double) / len(pairs) < 0.15
        assert all(vocab.hoi_objects[a] == vocab.hoi_objects[b] for a, b in double)
