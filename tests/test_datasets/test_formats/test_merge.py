import numpy as np
import pytest

from genvlkt_mmdet.datasets import HICODetDataset
from genvlkt_mmdet.datasets.formats import merge_boxes, merge_record, read_annotations
from genvlkt_mmdet.vocabulary import load_vocabulary
from tests.shared import shared_path


def test_one_pair_drawn_three_times_becomes_one():
    """The second test image of HICO-DET: one person, one dog, three HOI classes, three drawings of each."""
    humans = [[226, 18, 340, 210], [230, 19, 356, 212], [234, 13, 342, 202]]
    objects = [[174, 65, 393, 440], [186, 62, 392, 438], [179, 61, 433, 374]]
    boxes = np.array([b for pair in zip(humans, objects, strict=True) for b in pair], dtype=float)
    triplets = [(0, 1, 131), (2, 3, 139), (4, 5, 143)]
    target = merge_boxes(boxes, [0, 9] * 3, triplets, 0.5)
    assert target.tolist() == [0, 1, 0, 1, 0, 1]
    assert merge_boxes(boxes, [0, 9] * 3, triplets, 0.99).tolist() == [0, 1, 2, 3, 4, 5]


def test_what_must_stay_apart():
    box, near = [0, 0, 100, 100], [2, 0, 102, 100]
    boxes = np.array([box, near, box, near], dtype=float)
    # other class: a dog under a person
    assert merge_boxes(boxes, [0, 1, 0, 1], [(0, 1, 5), (2, 3, 6)], 0.5).tolist() == [0, 1, 0, 1]
    # other role: person 0 is the human and person 1 the object of one pair
    assert merge_boxes(boxes, [0, 0, 0, 0], [(0, 1, 5), (2, 3, 6)], 0.5).tolist() == [0, 1, 0, 1]
    # one HOI class names both boxes: two persons in an embrace, drawn once each
    assert merge_boxes(boxes[:3], [0, 0, 1], [(0, 2, 5), (1, 2, 5)], 0.5).tolist() == [0, 1, 2]


def test_joins_the_box_that_overlaps_most():
    boxes = np.array([[0, 0, 100, 100], [30, 0, 130, 100], [25, 0, 125, 100], [400, 0, 500, 100]], dtype=float)
    target = merge_boxes(boxes, [0, 0, 0, 1], [(0, 3, 1), (1, 3, 1), (2, 3, 2)], 0.5)
    assert target.tolist() == [0, 1, 1, 3]


def test_record_keeps_every_label_and_drops_repeats():
    record = dict(
        file_name='x.jpg',
        annotations=[
            dict(bbox=[0, 0, 50, 50], category_id=1),
            dict(bbox=[60, 0, 90, 50], category_id=5),
            dict(bbox=[1, 0, 50, 51], category_id=1),
            dict(bbox=[60, 1, 91, 50], category_id=5),
        ],
        hoi_annotation=[
            dict(subject_id=0, object_id=1, category_id=1, hoi_category_id=11),
            dict(subject_id=2, object_id=3, category_id=2, hoi_category_id=12),
            dict(subject_id=2, object_id=3, category_id=2, hoi_category_id=12),
            dict(subject_id=2, object_id=-1, category_id=3, hoi_category_id=13),
        ],
    )
    merged = merge_record(record)
    assert [a['bbox'] for a in merged['annotations']] == [[0, 0, 50, 50], [60, 0, 90, 50]]
    triplets = [(h['subject_id'], h['object_id'], h['hoi_category_id']) for h in merged['hoi_annotation']]
    assert triplets == [(0, 1, 11), (0, 1, 12), (0, -1, 13)]
    assert len(record['annotations']) == 4  # the input is untouched


@pytest.fixture(scope='module')
def real():
    records, family = read_annotations(shared_path('annotations', 'hico_det_test.json'), load_vocabulary('hico'))
    assert family == 'upt_hico'
    return records


def test_on_the_real_test_annotations(real):
    """33,405 pairs drawn class by class are 22,166 pairs with 1.5 labels each; no label of an image is lost."""
    pairs, labels = 0, 0
    for record in real:
        merged = merge_record(record)
        pairs += len({(h['subject_id'], h['object_id']) for h in merged['hoi_annotation']})
        labels += len(merged['hoi_annotation'])
        assert {h['hoi_category_id'] for h in merged['hoi_annotation']} == {
            h['hoi_category_id'] for h in record['hoi_annotation']
        }
    assert (pairs, labels) == (22166, 33405)


def test_training_merges_and_evaluation_does_not(real):
    path = str(shared_path('annotations', 'hico_det_test.json'))
    train = HICODetDataset(ann_file=path, lazy_init=True)
    test = HICODetDataset(ann_file=path, lazy_init=True, test_mode=True)
    train.family = test.family = 'upt_hico'
    record = real[1]
    pairs = train.parse_data_info(record)['pairs']
    assert len(pairs['human_ids']) == 1 and pairs['hoi_positions'].tolist() == [[0, 131], [0, 139], [0, 143]]
    item = test.parse_data_info(record)
    assert len(item['eval_gt'].triplets) == len(item['pairs']['human_ids']) == 3
