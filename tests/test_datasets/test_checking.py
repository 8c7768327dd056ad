import copy
import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from genvlkt_mmdet.datasets.checking import ERRORS, REMARKS, check_dataset
from genvlkt_mmdet.vocabulary import load_vocabulary


@pytest.fixture
def vocabulary(toy_vocabulary):
    return load_vocabulary(toy_vocabulary)


def test_sound_dataset(toy_records, vocabulary, write_toy):
    folder = Path(write_toy(toy_records)['data_root']) / 'images'
    found = check_dataset(toy_records, vocabulary, folder, decode=True)
    assert found.counts == dict(images=3, boxes=6, triplets=4, pairs=3, hoi_classes=3)
    assert found.findings == {'image without pairs': ['b.png']} and found.num_errors == 0
    assert found.hoi_counts.tolist() == [2, 1, 1, 0]
    assert found.verb_counts.tolist() == [3, 1]
    assert found.object_counts.tolist() == [2, 2, 2]
    assert found.to_dict()['hois']['person holding a cup'] == 2
    text = found.to_text()
    assert 'Errors: none' in text and '1  image without pairs' in text and 'person riding a horse' in text


STRANGE = dict(subject_id=0, object_id=1, category_id=4)  # riding a cup


def edit_boxes(box):
    return lambda r: r['annotations'][1].update(bbox=box)


@pytest.mark.parametrize(
    'kind, edit',
    [
        ('field missing or of another type', lambda r: r.pop('hoi_annotation')),
        ('field missing or of another type', edit_boxes([1, 2, 3])),
        ('object id out of range', lambda r: r['annotations'][1].update(category_id=2)),
        ('verb id out of range', lambda r: r['hoi_annotation'][1].update(category_id=0)),
        ('HOI id out of range', lambda r: r['hoi_annotation'][1].update(hoi_category_id=0)),
        ('pair index out of range', lambda r: r['hoi_annotation'][1].update(object_id=3)),
        ('pair index out of range', lambda r: r['hoi_annotation'][1].update(object_id=-1)),
        ('box inverted or empty', edit_boxes([30, 10, 20, 20])),
        ('box inverted or empty', edit_boxes([30, 10, float('nan'), 20])),
        ('box outside the image', edit_boxes([61, 10, 70, 20])),
        ('box reaches over the edge of the image', edit_boxes([50, 10, 61, 20])),
        ('human of a pair is no person', lambda r: r['hoi_annotation'][1].update(subject_id=1)),
        ('HOI class does not match verb and object', lambda r: r['hoi_annotation'][1].update(hoi_category_id=13)),
        ('verb and object form no HOI class', lambda r: r['hoi_annotation'].append(STRANGE)),
        ('box annotated twice', lambda r: r['annotations'].append(dict(r['annotations'][0]))),
        ('triplet annotated twice', lambda r: r['hoi_annotation'].append(dict(r['hoi_annotation'][0]))),
        ('file name used twice', lambda r: r.update(file_name='c.png')),
        ('image missing', lambda r: r.update(file_name='d.png')),
        ('img_id used twice', lambda r: r.update(img_id=2)),
        ('image annotated twice', lambda r: r.update(img_id=2, file_name='c.png')),
        ('file name leaves the image folder', lambda r: r.update(file_name='../images/a.png')),
        ('file name leaves the image folder', lambda r: r.update(file_name='/etc/passwd')),
        ('field missing or of another type', lambda r: r.update(annotations=None)),
        ('field missing or of another type', lambda r: r.update(hoi_annotation=[None])),
        ('image size differs from the annotation', lambda r: r.update(width=59)),
    ],
)  # fmt: skip
def test_every_kind_of_finding(toy_records, vocabulary, write_toy, kind, edit):
    folder = Path(write_toy(toy_records)['data_root']) / 'images'
    bad = copy.deepcopy(toy_records)
    edit(bad[0])
    found = check_dataset(bad, vocabulary, folder)
    assert len(found.findings[kind]) == 1
    assert kind in ERRORS + REMARKS and (found.num_errors > 0) == (kind in ERRORS or kind == 'file name used twice')


def test_images_that_do_not_decode(toy_records, vocabulary, write_toy):
    folder = Path(write_toy(toy_records)['data_root']) / 'images'
    (folder / 'a.png').write_bytes(b'nothing')
    whole = cv2.imencode('.png', np.random.default_rng(0).integers(0, 256, (50, 50, 3), dtype=np.uint8))[1].tobytes()
    (folder / 'c.png').write_bytes(whole[: len(whole) // 2])  # the header is all right
    fast = check_dataset(toy_records, vocabulary, folder).findings['image does not decode']
    full = check_dataset(toy_records, vocabulary, folder, decode=True).findings['image does not decode']
    assert [f.split(':')[0] for f in fast] == ['a.png'] and [f.split(':')[0] for f in full] == ['a.png', 'c.png']


def test_tool(toy_records, toy_vocabulary, write_toy, run_tool):
    root = Path(write_toy(toy_records)['data_root'])
    (root / 'vocabulary.json').write_text(json.dumps(toy_vocabulary))
    files = [root / 'ann.json', '--vocabulary', root / 'vocabulary.json', '--images', root / 'images']
    out, code = run_tool('analysis_tools/check_dataset.py', *files, '--plot', root / 'h.png')
    assert code is None and 'Errors: none' in out
    plot = cv2.imread(str(root / 'h.png'))
    assert min(plot.shape[:2]) > 300 and plot.std() > 5

    (root / 'images' / 'c.png').unlink()
    out, code = run_tool('analysis_tools/check_dataset.py', *files, '--json', root / 'report.json')
    assert code.startswith('error: 1 findings would make training or evaluation fail') and '1  image missing' in out
    found = json.loads((root / 'report.json').read_text())['findings']['image missing']
    assert found == [f'c.png: {root / "images" / "c.png"}']
    _, code = run_tool('analysis_tools/check_dataset.py', root / 'none.json', '--vocabulary', 'hico')
    assert code == f"error: Annotation file '{root / 'none.json'}' is missing."
