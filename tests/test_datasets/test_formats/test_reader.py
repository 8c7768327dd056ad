import json

import numpy as np
import pytest

from genvlkt_mmdet.datasets import HICODetDataset, VCOCODataset
from genvlkt_mmdet.datasets.formats import detect_family, load_json, read_annotations
from genvlkt_mmdet.vocabulary import load_vocabulary
from tests.shared import shared_path


@pytest.fixture(scope='module')
def hico_upt():
    return json.loads(shared_path('annotations', 'hico_det_test.json').read_text())


@pytest.fixture(scope='module')
def hico():
    return HICODetDataset(ann_file=str(shared_path('annotations', 'hico_det_test.json')), test_mode=True)


def test_hico_upt_holds_all_images_and_pairs(hico):
    assert len(hico) == 9658 and hico.family == 'upt_hico'
    counts = [len(hico.get_data_info(i)['eval_gt'].triplets.labels) for i in range(len(hico))]
    assert sum(counts) == 33405 and counts.count(0) == 112


def test_hico_upt_boxes_become_zero_based_and_objects_coco(hico, hico_upt):
    """The file orders objects by name; the vocabulary's classes join verb and object as the file's own labels do."""
    vocabulary = load_vocabulary('hico')
    for i in range(0, 9658, 37):
        item, image = hico.get_data_info(i), hico_upt['annotation'][i]
        assert item['img_path'].endswith(hico_upt['filenames'][i])
        assert [item['width'], item['height']] == hico_upt['size'][i]
        gt = item['eval_gt'].triplets
        assert gt.labels.tolist() == image['hoi']
        np.testing.assert_array_equal(gt.human_boxes, np.array(image['boxes_h']).reshape(-1, 4) - 1)
        np.testing.assert_array_equal(gt.object_boxes, np.array(image['boxes_o']).reshape(-1, 4) - 1)
        names = [vocabulary.object_names[k] for k in item['pairs']['object_labels'].tolist()]
        expected = [hico_upt['objects'][o].replace('_', ' ') for o in image['object']]
        pairs = list(zip(item['pairs']['human_ids'].tolist(), item['pairs']['object_ids'].tolist(), strict=True))
        boxes = [instance['bbox'] for instance in item['instances']]
        drawn = {(tuple(boxes[h]), tuple(boxes[o])): n for (h, o), n in zip(pairs, names, strict=True)}
        for human, obj, name in zip(gt.human_boxes, gt.object_boxes, expected, strict=True):
            assert drawn[tuple(human), tuple(obj)] == name


@pytest.mark.parametrize('name, images, pairs', [('vcoco_test', 4946, 12402), ('vcoco_trainval', 5400, 13817)])
def test_vcoco_upt(name, images, pairs):
    path = shared_path('annotations', f'{name}.json')
    data = json.loads(path.read_text())
    vocabulary = load_vocabulary('vcoco')
    records, family = read_annotations(path, vocabulary)
    assert family == 'upt_vcoco' and len(records) == images
    assert sum(len(r['hoi_annotation']) for r in records) == pairs
    ids = dict(zip(vocabulary.object_ids, vocabulary.object_names, strict=True))
    for record, image, image_id in zip(records[::23], data['annotations'][::23], data['images'][::23], strict=True):
        assert record['file_name'] == image['file_name'] and record['img_id'] == image_id
        verbs = [vocabulary.verb_names[h['category_id']].replace('_', ' ') for h in record['hoi_annotation']]
        assert verbs == [data['classes'][a].replace('_', ' ') for a in image['actions']]
        for hoi, box, label in zip(record['hoi_annotation'], image['boxes_o'], image['objects'], strict=True):
            obj = record['annotations'][hoi['object_id']]
            assert ids[obj['category_id']] == data['objects'][label]
            # COCO's x + w is one pixel beyond the last one
            np.testing.assert_allclose(obj['bbox'], np.subtract(box, [0, 0, 1, 1]))


def test_vcoco_upt_in_training_drops_images_without_pairs():
    dataset = VCOCODataset(ann_file=str(shared_path('annotations', 'vcoco_trainval.json')))
    data = json.loads(shared_path('annotations', 'vcoco_trainval.json').read_text())
    assert sum(bool(a['actions']) for a in data['annotations']) >= len(dataset) > 4900


def test_families():
    assert detect_family([]) == 'qpic'
    assert detect_family([dict(file_name='a', annotations=[], hoi_annotation=[])]) == 'qpic'
    assert detect_family([dict(action_name='hold')]) == 'vcoco_release'
    assert detect_family(dict(images=[], annotations=[], categories=[])) == 'coco'
    assert detect_family(dict(annotation=[], correspondence=[])) == 'upt_hico'
    assert detect_family(dict(annotations=[], action_to_object=[])) == 'upt_vcoco'
    assert detect_family([1]) == detect_family(dict(a=1)) == detect_family('x') == 'unknown'


@pytest.mark.parametrize(
    'content, message',
    [
        (dict(images=[], annotations=[], categories=[]), 'it is a COCO detection file, without human-object pairs'),
        ([dict(action_name='hold')], "it is V-COCO's release, .*: give `coco_file`, or"),
        (dict(a=1), 'its content is of none of the known families'),
    ],
)
def test_wrong_family(tmp_path, content, message):
    (tmp_path / 'x.json').write_text(json.dumps(content))
    with pytest.raises(ValueError, match=message):
        HICODetDataset(ann_file=str(tmp_path / 'x.json'))


def test_wrong_dataset(tmp_path):
    with pytest.raises(
        ValueError, match="is UPT / PViC's file of V-COCO: its verbs and objects are not those of 'hico'"
    ):
        HICODetDataset(ann_file=str(shared_path('annotations', 'vcoco_test.json')))
    with pytest.raises(ValueError, match="is UPT / PViC's file of HICO-DET"):
        VCOCODataset(ann_file=str(shared_path('annotations', 'hico_det_test.json')))
    with pytest.raises(ValueError, match='out of range'):
        VCOCODataset(ann_file=str(shared_path('reference', 'hico_eval_test_hico.json')))
    record = dict(
        file_name='a.jpg',
        annotations=[dict(bbox=[0, 0, 1, 1], category_id=1)] * 2,
        hoi_annotation=[dict(subject_id=0, object_id=1, category_id=1)],
    )
    (tmp_path / 'trainval_vcoco.json').write_text(json.dumps([record]))
    with pytest.raises(ValueError, match="is no file of HICO-DET: image 'a.jpg' has a pair without `hoi_category_id`"):
        HICODetDataset(ann_file=str(tmp_path / 'trainval_vcoco.json'))


def test_truncated_json(tmp_path):
    (tmp_path / 'x.json').write_text('[{"file_name": "a.j')
    with pytest.raises(ValueError, match=r"x.json' is no valid JSON .*; download or convert it again"):
        load_json(tmp_path / 'x.json')
