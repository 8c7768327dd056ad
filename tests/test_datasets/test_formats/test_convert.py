import json

import pytest

from genvlkt_mmdet.datasets import HICODetDataset
from genvlkt_mmdet.datasets.formats import convert_hico, load_json, write_annotations
from tests.shared import assert_same_ground_truth

from .test_hico_release import release  # noqa: F401  (fixture)


def test_hico(release):  # noqa: F811
    files = convert_hico(release, release / 'annotations')
    assert [f.name for f in files] == ['trainval_hico.json', 'test_hico.json']
    train, test = (json.loads(f.read_text()) for f in files)
    assert train[0]['annotations'][0] == dict(bbox=[4, 5, 6, 7], category_id=1)
    assert test[0]['image_hois'] == [1, 5, 8] and len(test[0]['annotations']) == 5  # evaluation stays un-merged

    direct = HICODetDataset(ann_file=str(release / 'anno_bbox.mat'), test_mode=True)
    converted = HICODetDataset(data_root=str(release), ann_file='annotations/test_hico.json', test_mode=True)
    for i in range(2):
        theirs, ours = direct.get_data_info(i)['eval_gt'], converted.get_data_info(i)['eval_gt']
        assert_same_ground_truth(ours, theirs)


def test_missing_release(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"anno_bbox\.mat' is missing: HICO-DET's release holds"):
        convert_hico(tmp_path, tmp_path)


def test_writing_leaves_no_half_file(tmp_path):
    path = write_annotations([dict(file_name='a.jpg')], tmp_path / 'new' / 'x.json')
    assert load_json(path) == [dict(file_name='a.jpg')]
    with pytest.raises(TypeError):
        write_annotations([dict(file_name={1, 2})], path)
    assert load_json(path) == [dict(file_name='a.jpg')]


def test_tools(release, run_tool):  # noqa: F811
    out, code = run_tool('dataset_converters/hico_det.py', release)
    assert code is None and out.count('written: ') == 2
    _, code = run_tool('dataset_converters/vcoco.py', release, release / 'coco.json')
    assert code.startswith('error: ') and 'is missing' in code
