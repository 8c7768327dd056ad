import copy
import json
import logging
import pickle

import numpy as np
import pytest
from mmdet.registry import DATASETS

from genvlkt_mmdet.datasets import HICODetDataset, HOIDataset
from genvlkt_mmdet.datasets.hoi_dataset import clip_boxes
from tests.shared import shared_path


@pytest.fixture
def build(write_toy, toy_vocabulary):
    def build(records, **kwargs):
        return HOIDataset(**write_toy(records), vocabulary=toy_vocabulary, **kwargs)

    return build


@pytest.fixture
def warnings_of(monkeypatch):
    """Collects what the dataset reports, as (level, text)."""
    messages = []
    monkeypatch.setattr(
        'genvlkt_mmdet.datasets.hoi_dataset.print_log', lambda text, logger, level: messages.append((level, text))
    )
    return messages


def test_item_in_training(build, toy_records):
    dataset = build(toy_records)
    assert len(dataset) == 2  # b.png has no pair
    item = dataset.get_data_info(0)
    assert item['img_path'].endswith('images/a.png') and (item['height'], item['width']) == (40, 60)
    assert [i['bbox_label'] for i in item['instances']] == [0, 1, 2]
    assert item['instances'][2]['bbox'] == [30, 5, 58, 38]
    pairs = item['pairs']
    assert pairs['human_ids'].tolist() == [0, 0] and pairs['object_ids'].tolist() == [2, 1]
    assert pairs['object_labels'].tolist() == [2, 1]
    assert pairs['hoi_labels'].dtype == np.float32
    assert pairs['hoi_labels'].tolist() == [[0, 1, 1, 0], [1, 0, 0, 0]]
    assert 'eval_gt' not in item


def test_item_in_testing(build, toy_records):
    dataset = build(toy_records, test_mode=True)
    assert len(dataset) == 3
    gt = dataset.get_data_info(0)['eval_gt']
    assert gt.triplets.labels.tolist() == [1, 0, 2]
    assert gt.triplets.human_boxes.tolist() == [[5, 5, 25, 35]] * 3
    assert gt.triplets.object_boxes.tolist() == [[30, 5, 58, 38], [20, 10, 30, 20], [30, 5, 58, 38]]
    empty = dataset.get_data_info(1)
    assert empty['eval_gt'].triplets.human_boxes.shape == (0, 4) and empty['pairs']['hoi_labels'].shape == (0, 4)


def test_hoi_id_is_found_from_verb_and_object_where_absent(build, toy_records):
    for hoi in toy_records[0]['hoi_annotation']:
        del hoi['hoi_category_id']
    assert build(toy_records).get_data_info(0)['pairs']['hoi_labels'].tolist() == [[0, 1, 1, 0], [1, 0, 0, 0]]


def test_metainfo_is_complete(build, toy_records, toy_vocabulary):
    dataset = build(toy_records, zero_shot='split', metainfo=dict(mine=1))
    meta = dataset.metainfo
    assert meta['dataset_name'] == 'hoi' and meta['classes'] == ('person', 'cup', 'horse')
    assert meta['zero_shot'] == 'split' and meta['mine'] == 1
    assert meta['vocabulary'] is dataset.vocabulary and copy.deepcopy(meta)['vocabulary'] is dataset.vocabulary
    assert pickle.loads(pickle.dumps(meta)) == meta


def test_zero_shot_drops_whole_pairs_in_training_only(build, toy_records, warnings_of):
    dataset = build(toy_records, zero_shot='split')
    item = dataset.get_data_info(0)
    # the horse pair carries unseen class 1, so its seen class 2 goes too; columns are classes 0, 2, 3
    assert item['pairs']['object_ids'].tolist() == [1]
    assert item['pairs']['hoi_labels'].tolist() == [[1, 0, 0]]
    assert dataset.num_labels == 3
    assert "1 pairs with an unseen HOI of 'split'" in warnings_of[-1][1]

    toy_records[2]['annotations'][1]['category_id'] = 9
    toy_records[2]['hoi_annotation'][0]['hoi_category_id'] = 12
    assert len(build(toy_records, zero_shot='split')) == 1  # c.png is left without pairs

    test = build(toy_records, zero_shot='split', test_mode=True)
    assert len(test) == 3 and test.num_labels == 4
    assert test.get_data_info(0)['eval_gt'].triplets.labels.tolist() == [1, 0, 2]


def test_unknown_split_is_named(build, toy_records):
    with pytest.raises(KeyError, match="no zero-shot split 'nope'; it has: split"):
        build(toy_records, zero_shot='nope')


def test_filter_can_be_switched_off(build, toy_records):
    assert len(build(toy_records, filter_cfg=dict(filter_empty_gt=False))) == 3


def test_boxes_are_clipped_or_skipped_with_their_pairs(build, toy_records, warnings_of):
    bad = copy.deepcopy(toy_records)
    bad[0]['annotations'][0]['bbox'] = [-4, 5, 25, 44]  # reaches out of the 60 x 40 image
    bad[0]['annotations'][1]['bbox'] = [70, 10, 90, 20]  # wholly outside
    item = build(bad).get_data_info(0)
    assert item['instances'][0]['bbox'] == [0, 5, 25, 40]
    assert [i['bbox_label'] for i in item['instances']] == [0, 2]
    assert item['pairs']['object_ids'].tolist() == [1]  # the horse, moved up
    assert item['pairs']['object_labels'].tolist() == [2]
    level, text = warnings_of[-1]
    assert level == logging.WARNING and '1 boxes that are inverted, empty or outside the image' in text

    gt = build(bad, test_mode=True).get_data_info(0)['eval_gt']
    assert gt.triplets.human_boxes[0].tolist() == [-4, 5, 25, 44] and gt.triplets.object_boxes[1].tolist() == [
        70,
        10,
        90,
        20,
    ]


def test_inverted_box_is_skipped_without_image_size(build, toy_records):
    for record in toy_records:
        del record['width'], record['height']
    toy_records[0]['annotations'][0]['bbox'] = [25, 5, 5, 35]
    dataset = build(toy_records)
    assert len(dataset) == 1 and dataset.get_data_info(0)['img_path'].endswith('c.png')


def test_clip_boxes():
    boxes = np.array([[-5, -5, 5, 5], [5, 5, 4, 9], [3, 3, 3, 9], [9, 9, 30, 30], [np.nan, 0, 1, 1]], dtype=np.float32)
    clipped, keep = clip_boxes(boxes, (8, 8))
    assert clipped[0].tolist() == [0, 0, 5, 5]
    assert keep.tolist() == [True, False, False, False, False]
    assert clip_boxes(boxes, None)[1].tolist() == [True, False, False, True, False]


def test_max_boxes_cuts_as_the_authors_do(build, toy_records):
    item = build(toy_records, max_boxes=2).get_data_info(0)
    assert len(item['instances']) == 2
    assert item['pairs']['object_ids'].tolist() == [1]


@pytest.mark.parametrize('field', ['subject_id', 'object_id'])
@pytest.mark.parametrize('value', [3, -1, -2])
def test_pair_index_out_of_range(build, toy_records, warnings_of, field, value):
    toy_records[0]['hoi_annotation'][1][field] = value
    for test_mode in (False, True):
        with pytest.raises(ValueError, match=rf"image 'a.png': pair 1 names box {value}, but the image has 3 boxes"):
            build(toy_records, test_mode=test_mode)
    assert len(build(toy_records, pair_index='drop_image')) == 1
    assert '1 images with a pair that points to no box' in warnings_of[-1][1]
    test = build(toy_records, pair_index='drop_image', test_mode=True)
    assert len(test) == 3 and test.get_data_info(0)['eval_gt'].triplets.labels.tolist() == [1, 2]


@pytest.mark.parametrize(
    'edit, message',
    [
        (lambda r: r['annotations'][0].update(category_id=2), 'box category_id 2 is out of range'),
        (lambda r: r['annotations'][0].update(category_id='1'), "box category_id '1' is out of range"),
        (lambda r: r['hoi_annotation'][0].update(category_id=2), 'verb category_id 2 is out of range'),
        (
            lambda r: r['hoi_annotation'][0].update(hoi_category_id=600),
            'hoi_category_id 600 is out of range: .* 11 to 14',
        ),
        (lambda r: r['annotations'][0].pop('bbox'), "field 'bbox' is missing"),
        (lambda r: r['annotations'][0].update(bbox=[1, 2, 3]), "image 'a.png': "),
        (
            lambda r: [a.update(bbox=[1, 2]) for a in r['annotations']],
            r'box 0: `bbox` must be x1, y1, x2, y2, not \[1, 2\]',
        ),
        (lambda r: r['hoi_annotation'][0].update(subject_id='0'), "pair 0 names box '0', but the image has 3 boxes"),
    ],
)
def test_structural_mistakes_are_errors(build, toy_records, edit, message):
    edit(toy_records[0])
    with pytest.raises(ValueError, match=message):
        build(toy_records)


def test_missing_annotation_file(tmp_path):
    with pytest.raises(FileNotFoundError) as error:
        DATASETS.build(dict(type='HICODetDataset', data_root=str(tmp_path), ann_file='annotations/trainval_hico.json'))
    text = str(error.value)
    assert 'annotations/trainval_hico.json' in text and 'genvlkt data download' in text and 'HICO-DET' in text
    assert '\n' not in text


def test_empty_dataset(build, toy_records):
    with pytest.raises(ValueError, match='holds no image'):
        build([])
    with pytest.raises(ValueError, match='has no image with a pair to train on'):
        build(toy_records[1:2])
    assert len(build(toy_records[1:2], test_mode=True)) == 1


def test_vocabulary_is_required():
    with pytest.raises(ValueError, match='needs `vocabulary`'):
        HOIDataset(ann_file='x.json')


def test_duplicate_triplets_count_once_in_training_and_twice_in_evaluation(build, toy_records):
    toy_records[2]['hoi_annotation'] *= 2
    assert build(toy_records).get_data_info(1)['pairs']['hoi_labels'].tolist() == [[1, 0, 0, 0]]
    assert build(toy_records, test_mode=True).get_data_info(2)['eval_gt'].triplets.labels.tolist() == [0, 0]


def test_memory_stays_small_with_many_classes():
    """Multi-hot rows are made on access: 600 floats per pair in the list would be hundreds of MB for HICO-DET."""
    path = shared_path('reference', 'hico_eval_test_hico.json')
    dataset = HICODetDataset(ann_file=str(path), test_mode=True)
    assert dataset.data_bytes.nbytes / len(dataset) < 4000
    records = json.loads(path.read_text())
    assert len(dataset) == len(records)
    for i in (0, 1, 50):
        gt, hois = dataset.get_data_info(i)['eval_gt'], records[i]['hoi_annotation']
        assert (gt.triplets.labels + 1).tolist() == [h['hoi_category_id'] for h in hois]
        boxes = [records[i]['annotations'][h['object_id']]['bbox'] for h in hois]
        np.testing.assert_array_equal(gt.triplets.object_boxes, np.array(boxes, dtype=np.float32).reshape(-1, 4))


@pytest.mark.parametrize('value', [float('nan'), float('inf'), -float('inf')])
def test_ground_truth_must_be_finite(build, toy_records, value):
    toy_records[0]['annotations'][1]['bbox'][2] = value
    with pytest.raises(ValueError, match=r"ann\.json', image 'a\.png': box 1 holds NaN or infinity"):
        build(toy_records, test_mode=True)
    assert build(toy_records).skipped['boxes that are inverted, empty or outside the image'] == 1


def test_repeated_img_ids_are_kept_apart_and_a_repeated_image_is_refused(build, toy_records):
    for record in toy_records:
        record['img_id'] = 7
    assert len(build(toy_records, test_mode=True)) == 3
    toy_records[2]['file_name'] = 'a.png'
    with pytest.raises(ValueError, match=r"names image '.*a\.png' with img_id 7 2 times: join its entries"):
        build(toy_records, test_mode=True)


@pytest.mark.parametrize(
    'name', ['../secret.png', '/etc/secret.png', 'x/../../secret.png', '..\\secret.png', 'C:/a.png']
)
def test_files_outside_the_image_folder_are_refused(toy_vocabulary, toy_records, name, tmp_path, write_toy):
    settings = write_toy(toy_records)
    toy_records[0]['file_name'] = name
    (tmp_path / 'ann.json').write_text(json.dumps(toy_records))
    with pytest.raises(
        ValueError, match='`file_name` leaves the image folder; if you mean it, set `outside_files=True`'
    ):
        HOIDataset(**settings, vocabulary=toy_vocabulary)
    assert len(HOIDataset(**settings, vocabulary=toy_vocabulary, outside_files=True)) == 2


def test_fractions_are_nested_and_reproducible(build, toy_records):
    """Parts of 40 images: each holds every smaller one, and the choice ignores zero-shot splits and what has no pair."""
    records = [dict(toy_records[i % 3], file_name=f'{i:02d}.png') for i in range(40)]

    def names(**kwargs):
        return {
            item['img_path'][-6:]
            for item in (d.get_data_info(i) for d in [build(records, **kwargs)] for i in range(len(d)))
        }

    keep_all = dict(filter_cfg=dict(filter_empty_gt=False))
    parts = [names(fraction=f, **keep_all) for f in (0.05, 0.15, 0.25, 0.5, 1.0)]
    assert [len(part) for part in parts] == [2, 6, 10, 20, 40]
    assert all(small < large for small, large in zip(parts, parts[1:], strict=False))
    assert names(fraction=0.5, **keep_all) == parts[3] != names(fraction=0.5, fraction_seed=1, **keep_all)
    with_pairs = names(fraction=0.5)
    assert with_pairs == {name for name in parts[3] if int(name[:2]) % 3 != 1}
    assert names(fraction=0.5, zero_shot='split') <= with_pairs
    assert len(names(fraction=1e-6, **keep_all)) == 1  # never nothing


def test_a_fraction_of_named_images_keeps_their_ids(build, toy_records):
    records = [dict(toy_records[0], file_name=f'{i:02d}.png') for i in range(10)]
    dataset = build(records, fraction=0.3)
    for i in range(3):
        item = dataset.get_data_info(i)
        assert item['img_path'].endswith(f'{item["img_id"]:02d}.png')


@pytest.mark.parametrize(
    ('kwargs', 'message'),
    [
        (dict(fraction=0), 'fraction must be more than 0 and at most 1, not 0'),
        (dict(fraction=25), 'fraction must be more than 0 and at most 1, not 25'),
        (dict(fraction=0.5, test_mode=True), 'fraction is for training'),
    ],
)
def test_wrong_fractions(build, toy_records, kwargs, message):
    with pytest.raises(ValueError, match=message):
        build(toy_records, **kwargs)
