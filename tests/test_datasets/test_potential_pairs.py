"""The rule of potential pairs on a hand-worked example, their file, and that no unseen annotation is used."""

import copy

import numpy as np
import pytest
import torch
from mmdet.registry import DATASETS

from genvlkt_mmdet.datasets.collating import hoi_collate
from genvlkt_mmdet.datasets.potential_pairs import (
    PotentialPairRule,
    PotentialPairs,
    read_potential_pairs,
    write_potential_pairs,
)
from tests.test_models.tiny import build_detector

NONE = -np.inf
# Image 'a.png' of the toy records: the person holds cup (class 0) and feeds and holds a horse (classes 1 and 2).
FOUND = PotentialPairs(
    np.array([[5, 5, 25, 35]] * 2, dtype=np.float32),
    np.array([[30, 5, 58, 38], [20, 10, 30, 20]], dtype=np.float32),
    np.array([2, 1]),
    np.array([[NONE, 0.31, 0.30, NONE], [0.3, NONE, NONE, NONE]], dtype=np.float32),
)


def pairs(*rows):
    """Potential pairs from rows of object box and similarities. The person is always the same."""
    boxes, similarities = zip(*rows, strict=True)
    return PotentialPairs(
        np.tile(np.array([0, 0, 10, 20], dtype=np.float32), (len(rows), 1)),
        np.array(boxes, dtype=np.float32),
        np.ones(len(rows), dtype=np.int64),
        np.array(similarities, dtype=np.float32),
    )


class TestRule:
    human = np.array([[0, 0, 10, 20]], dtype=np.float32)
    annotated = np.array([[10, 0, 20, 10]], dtype=np.float32)

    def select(self, *images, **kwargs):
        return list(PotentialPairRule(**kwargs).select(images, unseen=[2, 3]))

    def test_by_hand(self):
        found = pairs(
            ([10, 0, 20, 10], [0.30, 0.2, 0.1, NONE]),  # the annotated pair: sets the threshold of 0.30
            ([10, 0, 20, 8], [0.1, 0.2, 0.9, NONE]),  # its object has IoU 0.8 with an annotated one
            ([40, 0, 50, 10], [0.40, 0.2, 0.39, NONE]),  # the best class is seen
            ([60, 0, 70, 10], [0.1, 0.2, 0.29, NONE]),  # less similar than the annotated pair
            ([80, 0, 90, 10], [0.1, 0.38, 0.39, NONE]),  # the only one to train
        )
        [(kept, labels)] = self.select((self.human, self.annotated, found))
        assert kept.object_boxes.tolist() == [[80, 0, 90, 10]]
        # softmax of (10, 38, 39) / 1, the temperature of 0.01
        expected = np.exp([10, 38, 39]) / np.exp([10, 38, 39]).sum()
        np.testing.assert_allclose(labels, [[*expected, 0]], rtol=1e-4)

    def test_the_threshold_is_a_quantile_of_all_annotated_pairs(self):
        # Similarities of five annotated pairs: 0.1 ... 0.5. With a share of 0.75, the threshold is 0.2.
        images = [
            (self.human, self.annotated, pairs(([10, 0, 20, 10], [value, 0, 0, NONE])))
            for value in (0.1, 0.2, 0.3, 0.4, 0.5)
        ]
        no_box = np.zeros((0, 4), dtype=np.float32)
        images += [(no_box, no_box, pairs(([0, 0, 9, 9], [0, 0, value, NONE]))) for value in (0.19, 0.21)]
        assert [len(kept) for kept, _ in self.select(*images, share=0.75)] == [0, 0, 0, 0, 0, 0, 1]

    def test_several_classes(self):
        # Two unseen classes with 0.3 each outweigh a seen one with 0.4.
        similarities = [0.01 * np.log(0.4), NONE, 0.01 * np.log(0.3), 0.01 * np.log(0.3)]
        found = pairs(([0, 0, 9, 9], similarities))
        no_box = np.zeros((0, 4), dtype=np.float32)
        [(_, labels)] = self.select((no_box, no_box, found))
        np.testing.assert_allclose(labels, [[0.4, 0, 0.3, 0.3]], rtol=1e-4)

    def test_nothing_found(self):
        [(kept, labels)] = self.select((self.human, self.annotated, PotentialPairs.none(4)))
        assert len(kept) == 0 and labels.shape == (0, 4)


class TestFile:
    def test_comes_back(self, tmp_path):
        settings = dict(detector=dict(config='x', checkpoint='y'), clip='z')
        write_potential_pairs(tmp_path / 'p.json', {'a.png': FOUND, 'b.png': PotentialPairs.none(4)}, 4, settings)
        read = read_potential_pairs(tmp_path / 'p.json', 4, settings)
        assert list(read) == ['a.png', 'b.png'] and len(read['b.png']) == 0
        for name, value in vars(FOUND).items():
            np.testing.assert_array_equal(getattr(read['a.png'], name), value)

    @pytest.mark.parametrize('num_hois, settings', [(5, {}), (4, dict(clip='another'))])
    def test_of_other_settings_is_refused(self, num_hois, settings, tmp_path):
        write_potential_pairs(tmp_path / 'p.json', {'a.png': FOUND}, 4, {})
        with pytest.raises(ValueError, match='another vocabulary, detector or CLIP'):
            read_potential_pairs(tmp_path / 'p.json', num_hois, settings)

    def test_another_file_is_refused(self, tmp_path):
        (tmp_path / 'p.json').write_text('[]')
        with pytest.raises(ValueError, match='no file of potential pairs'):
            read_potential_pairs(tmp_path / 'p.json', 4)


@pytest.fixture
def build(toy_vocabulary, write_toy, tmp_path):
    """Builds the training dataset of records, with potential pairs in image 'a.png'."""

    def build(records, found=FOUND, **kwargs):
        write_potential_pairs(tmp_path / 'pairs.json', {'a.png': found}, 4)
        arguments = dict(vocabulary=toy_vocabulary, zero_shot='split', potential_pairs=dict(file='pairs.json'))
        pipeline = [
            dict(type='LoadHOIImage'),
            dict(type='LoadHOIAnnotations', with_bbox=True),
            dict(type='RandomFlip', prob=1.0),
            dict(type='PackHOIInputs'),
        ]
        return DATASETS.build(dict(type='HOIDataset', pipeline=pipeline, **arguments, **write_toy(records), **kwargs))

    return build


def test_items_have_annotated_and_potential_pairs(build, toy_records):
    # Class 1 is unseen: the pair with the horse is dropped, and found again. Both detections of annotated pairs have a
    # similarity, so the threshold is that of the cup.
    dataset = build(toy_records)
    assert dataset.num_labels == 4 and len(dataset) == 2
    item = dataset.get_data_info(0)
    pairs = item['pairs']
    assert pairs['object_labels'].tolist() == [1, 2]
    np.testing.assert_allclose(pairs['hoi_labels'][0], [1, 0, 0, 0])
    e = np.e
    np.testing.assert_allclose(pairs['hoi_labels'][1], [0, e / (e + 1), 1 / (e + 1), 0], atol=1e-4)
    boxes = [instance['bbox'] for instance in item['instances']]
    assert boxes[pairs['human_ids'][1]] == [5, 5, 25, 35] and boxes[pairs['object_ids'][1]] == [30, 5, 58, 38]
    # The pipeline transforms them like annotated ones: the image is 60 wide, and mirrored.
    sample = dataset[0]['data_samples']
    assert sample.gt_pairs.object_boxes[1].tolist() == [2, 5, 30, 38]
    np.testing.assert_allclose(sample.gt_pairs.hoi_labels[1], pairs['hoi_labels'][1])


def test_without_the_setting_nothing_changes(toy_vocabulary, write_toy, toy_records):
    dataset = DATASETS.build(
        dict(type='HOIDataset', pipeline=[], vocabulary=toy_vocabulary, zero_shot='split', **write_toy(toy_records))
    )
    item = dataset.get_data_info(0)
    assert item['pairs'].keys() == {'human_ids', 'object_ids', 'object_labels', 'hoi_labels'}
    assert item['pairs']['hoi_labels'].tolist() == [[1, 0, 0]] and len(item['instances']) == 3


def test_needs_a_zero_shot_split_and_its_file(build, toy_records, tmp_path):
    with pytest.raises(ValueError, match='needs `zero_shot`'):
        DATASETS.build(dict(type='HOIDataset', vocabulary='hico', potential_pairs=dict(file='x.json'), lazy_init=True))
    dataset = build(toy_records, lazy_init=True)
    (tmp_path / 'pairs.json').unlink()
    for call in (dataset.check_files, dataset.full_init):
        with pytest.raises(FileNotFoundError, match='genvlkt data potential'):
            call()


def losses(dataset, vocabulary):
    model = build_detector(vocabulary=vocabulary, zero_shot='split', mimic=False).train()
    data = model.data_preprocessor(hoi_collate([dataset[i] for i in range(len(dataset))]), True)
    return model(**data, mode='loss')


@pytest.mark.parametrize('change', ['another unseen class', 'moved boxes', 'removed'])
def test_no_unseen_annotation_is_used(change, build, toy_records, toy_vocabulary):
    """The losses are the same, bit for bit, whatever is annotated about unseen HOIs."""
    toy_vocabulary['splits'] = dict(split=[1, 3])
    before = losses(build(toy_records), toy_vocabulary)
    changed = copy.deepcopy(toy_records)
    image = changed[0]
    if change == 'another unseen class':
        for hoi in image['hoi_annotation']:
            if hoi['hoi_category_id'] == 12:
                hoi.update(hoi_category_id=14)
    elif change == 'moved boxes':
        image['annotations'][2]['bbox'] = [40, 3, 50, 30]
    else:
        image['hoi_annotation'] = [hoi for hoi in image['hoi_annotation'] if hoi['object_id'] != 2]
    after = losses(build(changed), toy_vocabulary)
    assert before.keys() == after.keys()
    for name, value in before.items():
        assert torch.equal(value, after[name]), name


def test_unseen_classes_are_trained(build, toy_records, toy_vocabulary):
    """The loss of the seen part is the same as without, and the gradient reaches the embedding through unseen rows."""
    with_pairs = losses(build(toy_records), toy_vocabulary)
    assert all(torch.isfinite(value) for value in with_pairs.values())
    nothing = losses(build(toy_records, PotentialPairs.none(4)), toy_vocabulary)
    assert with_pairs['loss_hoi'] != nothing['loss_hoi']
