"""Every field of every annotation format with every kind of wrong value: it is read, or one sentence names the file."""

import json

import pytest

from genvlkt_mmdet.datasets import HICODetDataset, VCOCODataset
from genvlkt_mmdet.datasets.checking import check_dataset
from genvlkt_mmdet.datasets.formats import read_annotations
from genvlkt_mmdet.vocabulary import load_vocabulary
from tests.mutations import COCO, VSRL, error_of, mutations, texts

VOCABULARIES = {name: load_vocabulary(name) for name in ('hico', 'vcoco')}
OURS = [
    dict(
        file_name='a.png',
        width=60,
        height=40,
        img_id=3,
        annotations=[
            dict(bbox=[5, 5, 25, 35], category_id=1, annotated=True),
            dict(bbox=[20, 10, 30, 20], category_id=2),
        ],
        hoi_annotation=[dict(subject_id=0, object_id=1, category_id=77, hoi_category_id=153)],
        image_hois=[153],
    ),
    dict(
        file_name='b.png',
        annotations=[dict(bbox=[5, 5, 25, 35], category_id=1), dict(bbox=[1, 1, 9, 9], category_id=2)],
        hoi_annotation=[dict(subject_id=0, object_id=1, category_id=77, hoi_category_id=155)],
    ),
]


def upt_hico():
    vocabulary = VOCABULARIES['hico']
    pair = dict(boxes_h=[[1, 1, 9, 9]], boxes_o=[[3, 3, 12, 12]], verb=[76], object=[3], hoi=[152])
    return dict(
        correspondence=[],
        filenames=['a.png'],
        size=[[60, 40]],
        verbs=list(vocabulary.verb_names),
        objects=list(vocabulary.object_names),
        annotation=[pair],
    )


def upt_vcoco():
    vocabulary = VOCABULARIES['vcoco']
    verb = vocabulary.verb_names.index('hold_obj')
    names = ['background', *vocabulary.object_names]
    image = dict(file_name='a.png', boxes_h=[[0, 0, 9, 9]], boxes_o=[[3, 3, 12, 12]], actions=[verb], objects=[42])
    return dict(
        action_to_object=[], images=[7], classes=list(vocabulary.verb_names), objects=names, annotations=[image]
    )


def runs(path, kind, **options):
    """Everything that reads an annotation file: training, evaluation and the checker."""
    vocabulary = VOCABULARIES[kind.default_vocabulary]

    def check():
        found = check_dataset(read_annotations(path, vocabulary, **options)[0], vocabulary)
        found.to_text()
        return found

    # mmengine's serialization runs the garbage collector, which would take nearly all the time of these tests.
    common = dict(ann_file=str(path), vocabulary=vocabulary, serialize_data=False, **options)
    train, test = (lambda mode=mode: kind(test_mode=mode, **common)[0] for mode in (False, True))
    return train, test, check


@pytest.fixture
def put(tmp_path):
    def put(name, content):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
        return path

    return put


@pytest.mark.parametrize(
    'content, kind',
    [(OURS, HICODetDataset), (upt_hico(), HICODetDataset), (upt_vcoco(), VCOCODataset)],
    ids=['ours', 'UPT hico', 'UPT vcoco'],
)
def test_annotation_files(put, content, kind):
    path = put('ann.json', content)
    for run in runs(path, kind):
        run()  # as it is, it is read
    for what, damaged in [*mutations(content), *texts(content)]:
        put('ann.json', damaged)
        train, test, check = runs(path, kind)
        errors = [error_of(run, ['ann.json'], what) for run in (train, test)]
        reports = []
        error = error_of(lambda check=check, reports=reports: reports.append(check()), ['ann.json'], what)
        if content is OURS and errors[1] and 'holds no image' not in errors[1]:
            # what the dataset refuses, the checker finds
            assert error or reports[0].num_errors or 'no file of HICO-DET' in errors[1], f'{what}: {errors[1]}'


def test_release_of_vcoco(put):
    path, coco = put('vcoco_test.json', VSRL), put('instances.json', COCO)
    options = dict(coco_file=str(coco))
    for run in runs(path, VCOCODataset, **options):
        run()
    names = ['vcoco_test.json', 'instances.json']
    for content, name in ((VSRL, names[0]), (COCO, names[1])):
        for what, damaged in [*mutations(content), *texts(content)]:
            put(name, damaged)
            error_of(runs(path, VCOCODataset, **options)[1], names, what)
        put(name, content)


@pytest.mark.parametrize('content', [b'MATLAB', b'MATLAB 5.0 MAT-file' + bytes(200), b'MATLAB' + b'\xff' * 3000])
def test_damaged_matlab_files(put, content):
    path = put('anno_bbox.mat', content)
    with pytest.raises(ValueError, match=r"anno_bbox\.mat'"):
        HICODetDataset(ann_file=str(path), test_mode=True)


def test_list_of_ids(put):
    path, coco = put('vcoco_test.json', VSRL), put('instances.json', COCO)
    for content in (b'', b'\xff\xfe', b'7\nx', b'7' * 5000, b'0.5'):
        ids = put('split.ids', content)
        with pytest.raises(ValueError, match=r"split\.ids' is no list of image ids"):
            VCOCODataset(ann_file=str(path), coco_file=str(coco), split_ids=str(ids), test_mode=True)
    ids = put('split.ids', b'7\n')
    data = VCOCODataset(ann_file=str(path), coco_file=str(coco), split_ids=str(ids), test_mode=True)
    assert len(data[0]['eval_gt'].persons.boxes) == 1
