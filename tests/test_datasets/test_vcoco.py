import json

import numpy as np
import pycocotools.coco
import pytest

from genvlkt_mmdet.datasets import VCOCODataset
from genvlkt_mmdet.datasets.formats import convert_vcoco
from genvlkt_mmdet.evaluation.functional import VCOCOGroundTruth
from genvlkt_mmdet.structures import has_object
from genvlkt_mmdet.vocabulary import action_slots, load_vocabulary
from tests.shared import assert_same_ground_truth, shared_path


@pytest.fixture(scope='module')
def release():
    return shared_path('reference', 'vcoco_eval_vsrl.json'), shared_path(
        'reference', 'vcoco_eval_mock_instances_vcoco_all_2014.json'
    )


@pytest.fixture(scope='module')
def dataset(release):
    ann_file, coco_file = map(str, release)
    return VCOCODataset(ann_file=ann_file, coco_file=coco_file, test_mode=True)


def test_actions_are_those_of_the_release(release):
    actions, slots = action_slots(load_vocabulary('vcoco'))
    official = json.loads(release[0].read_text())
    # the release orders actions in its own way; names and order of roles must agree
    assert sorted(actions) == sorted(a['action_name'] for a in official) and len(slots) == 29
    names = load_vocabulary('vcoco').verb_names
    for action in official:
        roles = [
            names[k].rsplit('_', 1)[1]
            for k, (a, s) in enumerate(slots)
            if actions[a] == action['action_name'] and s is not None
        ]
        assert roles == action['role_name'][1:]
    assert [slots[names.index(n)][1] for n in ('eat_obj', 'eat_instr', 'cut_instr', 'cut_obj', 'stand')] == [
        0,
        1,
        0,
        1,
        None,
    ]


def test_release_gives_the_official_ground_truth(release, dataset):
    """Actions and roles of each labelled person against a direct reading of the release."""
    official = {a['action_name']: a for a in json.loads(release[0].read_text())}
    coco = json.loads(release[1].read_text())
    where = {a['id']: a for a in coco['annotations']}
    actions, slots = action_slots(load_vocabulary('vcoco'))
    assert len(dataset) == len(set(official['hold']['image_id'])) and dataset.family == 'vcoco_release'
    for i in range(0, len(dataset), 7):
        item = dataset.get_data_info(i)
        gt = VCOCOGroundTruth.from_images([item['eval_gt']], slots)
        rows = [k for k, image in enumerate(official['hold']['image_id']) if image == item['img_id']]
        persons = {official['hold']['ann_id'][k]: k for k in rows}
        for ann_id, row in persons.items():
            x, y, w, h = where[ann_id]['bbox']
            close = np.abs(gt.boxes[:, :2] - np.maximum([x, y], 0)).max(axis=1) < 1e-3
            (person,) = np.flatnonzero(close & gt.annotated)
            for a, name in enumerate(actions):
                assert gt.actions[person, a] == official[name]['label'][row], (item['img_id'], name)
                roles = np.asarray(official[name]['role_object_id']).reshape(len(official[name]['role_name']), -1)[1:]
                for slot, ids in enumerate(roles):
                    role = gt.role_boxes[person, a, slot]
                    if has_object(role):
                        expected = where[ids[row]]['bbox']
                        np.testing.assert_allclose(role[:2], np.maximum(expected[:2], 0), atol=1e-3)
                    elif gt.actions[person, a]:
                        assert ids[row] == 0 or where[ids[row]]['area'] == 0 or where[ids[row]].get('ignore')
        assert gt.annotated.sum() == len(persons)
        assert not gt.actions[~gt.annotated].any()


def test_conversion_keeps_the_ground_truth(release, dataset, tmp_path):
    """Our JSON of the release evaluates as the release does, down to who was not annotated."""
    for part in ('trainval', 'test'):
        (tmp_path / f'vcoco_{part}.json').write_bytes(release[0].read_bytes())
    files = convert_vcoco(tmp_path, release[1], tmp_path / 'out')
    assert [f.name for f in files] == ['trainval_vcoco.json', 'test_vcoco.json']
    converted = VCOCODataset(ann_file=str(files[1]), test_mode=True)
    assert len(converted) == len(dataset) and converted.family == 'qpic'
    for i in range(len(dataset)):
        ours, theirs = converted.get_data_info(i), dataset.get_data_info(i)
        assert ours['img_id'] == theirs['img_id']
        assert_same_ground_truth(ours['eval_gt'], theirs['eval_gt'])
    train = VCOCODataset(ann_file=str(files[0]), data_prefix=dict(img='images'))
    item = train.get_data_info(0)
    no_object = item['pairs']['object_ids'] < 0
    assert (item['pairs']['object_labels'][no_object] == 80).all()


def test_convert_from_train_and_val(release, tmp_path):
    for part in ('train', 'val', 'test'):
        (tmp_path / f'vcoco_{part}.json').write_bytes(release[0].read_bytes())
    files = convert_vcoco(tmp_path, release[1], tmp_path)
    assert len(json.loads(files[0].read_text())) == 2 * len(json.loads(files[1].read_text()))


def split_coco(coco_file, folder):
    """The mock instances as COCO publishes them: two files, with masks, categories and images that V-COCO lacks."""
    coco = json.loads(coco_file.read_text())
    files, half = [], len(coco['images']) // 2
    for name, images in (('train2014', coco['images'][:half]), ('val2014', coco['images'][half:])):
        ids = {image['id'] for image in images}
        annotations = [
            {**a, 'iscrowd': a.get('iscrowd', 0), 'segmentation': [[0, 0, 1, 0, 1, 1]]}
            for a in coco['annotations']
            if a['image_id'] in ids
        ]
        spare = 10**6 + len(files)
        content = dict(
            info=dict(year=2014),
            licenses=[],
            images=[*images, dict(id=spare, file_name=f'{spare}.jpg', width=9, height=9)],
            annotations=[*annotations, dict(id=spare, image_id=spare, category_id=1, bbox=[0, 0, 5, 5], area=25)],
            categories=[dict(id=1, name='person')],
        )
        files.append(folder / f'instances_{name}.json')
        files[-1].write_text(json.dumps(content))
    return files


def test_published_coco_files(release, dataset, tmp_path, run_tool):
    """The two files of COCO give what the merged one of V-COCO's Python 2 script gives; each is read once."""
    coco_files = split_coco(release[1], tmp_path)
    both = VCOCODataset(
        data_root=str(tmp_path),
        ann_file=str(release[0]),
        coco_file=[file.name for file in coco_files],
        test_mode=True,
    )
    assert [both.get_data_info(i)['img_id'] for i in range(len(both))] == [
        dataset.get_data_info(i)['img_id'] for i in range(len(dataset))
    ]
    for i in range(len(dataset)):
        assert_same_ground_truth(both.get_data_info(i)['eval_gt'], dataset.get_data_info(i)['eval_gt'])

    for part in ('train', 'val', 'test'):
        (tmp_path / f'vcoco_{part}.json').write_bytes(release[0].read_bytes())
    opened = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            'genvlkt_mmdet.datasets.formats.coco.COCO', lambda path: opened.append(path) or pycocotools.coco.COCO(path)
        )
        out, code = run_tool('dataset_converters/vcoco.py', tmp_path, *coco_files, '--out-dir', tmp_path / 'two')
    assert code is None and out.count('written: ') == 2 and len(out.splitlines()) == 2
    assert opened == [str(file) for file in coco_files]
    merged = convert_vcoco(tmp_path, release[1], tmp_path / 'one')
    for file in merged:
        assert file.read_bytes() == (tmp_path / 'two' / file.name).read_bytes()


def test_coco_files_that_do_not_fit(release, tmp_path):
    train, val = split_coco(release[1], tmp_path)
    with pytest.raises(ValueError, match='lack .* images of .*: give both instances_train2014.json and'):
        VCOCODataset(ann_file=str(release[0]), coco_file=str(train), test_mode=True)
    with pytest.raises(ValueError, match='both hold image .*give each file once'):
        VCOCODataset(ann_file=str(release[0]), coco_file=[str(train), str(train)], test_mode=True)
    val.write_text('[]')
    with pytest.raises(
        ValueError, match=r"instances_val2014\.json' does not hold what it should .*; give the COCO inst"
    ):
        VCOCODataset(ann_file=str(release[0]), coco_file=[str(train), str(val)], test_mode=True)


def test_qpic_file(tmp_path):
    """Pairs without object train as class 'person only'; who has no triplet counts as not annotated."""
    vocabulary = load_vocabulary('vcoco')
    verb = dict(zip(vocabulary.verb_names, vocabulary.verb_ids, strict=True))
    record = dict(
        file_name='COCO_val2014_000000000001.jpg',
        annotations=[
            dict(bbox=[0, 0, 50, 90], category_id=1),
            dict(bbox=[10, 10, 40, 30], category_id=47),  # cup
            dict(bbox=[60, 0, 90, 90], category_id=1),
        ],
        hoi_annotation=[
            dict(subject_id=0, object_id=1, category_id=verb['hold_obj']),
            dict(subject_id=0, object_id=-1, category_id=verb['stand']),
            dict(subject_id=0, object_id=1, category_id=verb['surf_instr']),
        ],
    )
    (tmp_path / 'test_vcoco.json').write_text(json.dumps([record]))
    train = VCOCODataset(data_root=str(tmp_path), ann_file='test_vcoco.json')
    pairs = train.get_data_info(0)['pairs']
    assert pairs['object_ids'].tolist() == [1, -1] and pairs['object_labels'].tolist() == [41, 80]
    classes = [np.flatnonzero(row).tolist() for row in pairs['hoi_labels']]
    # surfing a cup is none of the 263 classes
    assert classes == [[vocabulary.hoi_index('hold_obj', 'cup')], [vocabulary.hoi_index('stand', None)]]
    assert train.skipped['triplets of no HOI class'] == 1

    gt = VCOCODataset(data_root=str(tmp_path), ann_file='test_vcoco.json', test_mode=True).get_data_info(0)['eval_gt']
    assert [vocabulary.verb_names[verb] for verb in gt.triplets.labels] == ['hold_obj', 'stand', 'surf_instr']
    actions, slots = action_slots(vocabulary)
    table = VCOCOGroundTruth.from_images([gt], slots)
    assert table.boxes.tolist() == [[0, 0, 50, 90], [60, 0, 90, 90]] and table.annotated.tolist() == [True, False]
    assert table.actions.sum(axis=1).tolist() == [3, 0]
    roles = {name: table.role_boxes[0, actions.index(name)] for name in ('hold', 'stand', 'surf')}
    assert {name: has_object(boxes).tolist() for name, boxes in roles.items()} == dict(
        hold=[True, False], stand=[False, False], surf=[True, False]
    )
    assert roles['surf'][0].tolist() == [10, 10, 40, 30]


def test_missing_files(tmp_path):
    with pytest.raises(FileNotFoundError, match='trainval_vcoco.json.*V-COCO.*genvlkt data download vcoco'):
        VCOCODataset(data_root=str(tmp_path), ann_file='annotations/trainval_vcoco.json')
    (tmp_path / 'vcoco_test.json').write_text('[{"action_name": "hold", "image_id": [1]}]')
    with pytest.raises(FileNotFoundError, match="instances.json' is missing: COCO's annotations_trainval2014.zip"):
        VCOCODataset(data_root=str(tmp_path), ann_file='vcoco_test.json', coco_file='instances.json', test_mode=True)
