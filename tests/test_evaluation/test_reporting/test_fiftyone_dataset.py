"""The files are also read by FiftyOne itself where it is installed; these tests read what they hold."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml

from genvlkt_mmdet.cli import run_verb
from tests.shared import HICO_LIKE

HUMAN, CUP, HORSE = [10, 10, 30, 40], [50, 0, 70, 20], [60, 10, 100, 50]


@pytest.fixture
def files(tmp_path):
    """One image of 100 x 50 pixels (width, height) with two pairs, and one without; detections of the first."""
    (tmp_path / 'images').mkdir()
    for name in 'ab':
        cv2.imwrite(str(tmp_path / 'images' / f'{name}.png'), np.zeros((50, 100, 3), np.uint8))
    boxes = [dict(bbox=HUMAN, category_id=1), dict(bbox=CUP, category_id=5), dict(bbox=HORSE, category_id=9)]
    hois = [dict(subject_id=0, object_id=1, category_id=1), dict(subject_id=0, object_id=2, category_id=4)]
    records = [
        dict(file_name='a.png', annotations=boxes, hoi_annotation=hois),
        dict(file_name='b.png', annotations=[], hoi_annotation=[]),
    ]
    (tmp_path / 'ann.json').write_text(json.dumps(records))
    (tmp_path / 'toy.yaml').write_text(yaml.safe_dump(HICO_LIKE))
    dets = dict(
        human_boxes=[HUMAN, HUMAN, HUMAN, [-10, 10, 30, 40], HUMAN],
        object_boxes=[CUP, HORSE, HORSE, CUP, [0, 0, 5, 5]],
        labels=[0, 1, 2, 0, 0],  # hold cup, hold horse, ride horse, hold cup
        scores=[1.9, 1.7, 1.6, 0.8, 0.5],
    )
    (tmp_path / 'r.json').write_text(json.dumps([dict(file_name='a.png', **dets)]))
    return tmp_path


def export(folder, *arguments):
    options = ['--ann-file', 'ann.json', '--images', 'images', '--results', 'r.json', '--out', 'out']
    options = [str(folder / word) if not word.startswith('--') else word for word in options]
    run_verb('convert fiftyone', [*arguments, *options])
    return json.loads((folder / 'out' / 'samples.json').read_text())['samples']


def test_every_triplet_is_two_detections_with_their_error(files):
    first, second = export(files, 'hico', '--vocabulary', str(files / 'toy.yaml'))
    assert Path(first['filepath']) == files / 'images' / 'a.png'
    assert first['metadata'] == dict(_cls='ImageMetadata', width=100, height=50)
    found = first['predictions']['detections']
    assert first['predictions']['_cls'] == 'Detections' and {d['_cls'] for d in found} == {'Detection'}
    assert [(d['role'], d['label'], d['pair'], d['error']) for d in found] == [
        ('human', 'person', 0, 'correct'),
        ('object', 'cup', 0, 'correct'),
        ('human', 'person', 1, 'interaction'),
        ('object', 'horse', 1, 'interaction'),
        ('human', 'person', 1, 'correct'),
        ('object', 'horse', 1, 'correct'),
        ('human', 'person', 2, 'duplicate'),
        ('object', 'cup', 2, 'duplicate'),
        ('human', 'person', 3, 'object_box'),
        ('object', 'cup', 3, 'object_box'),
    ]
    assert found[1]['bounding_box'] == [0.5, 0, 0.2, 0.4] and found[1]['interaction'] == 'person holding a cup'
    assert (found[2]['verb'], found[2]['score'], found[2]['confidence']) == ('hold', 1.7, 0.7)
    assert found[8]['confidence'] == 0, 'below a score of 1, nothing speaks for the interaction'
    assert found[6]['bounding_box'] == [0, 0.2, 0.3, 0.6], 'inside the image'
    truth = first['ground_truth']['detections']
    assert [(d['label'], d['verb'], d['pair'], d['found']) for d in truth[1::2]] == [
        ('cup', 'hold', 0, True),
        ('horse', 'ride', 1, True),
    ]
    assert second['predictions']['detections'] == second['ground_truth']['detections'] == []
    metadata = json.loads((files / 'out' / 'metadata.json').read_text())
    assert metadata['media_type'] == 'image' and metadata['info']['errors'][0] == 'correct'
    assert 'version' not in metadata, 'FiftyOne takes the files for the simple format without it'


def test_top_k_keeps_the_errors_of_all(files):
    """The duplicate is one although the detection that it repeats comes from the full list."""
    first, _ = export(files, 'hico', '--vocabulary', str(files / 'toy.yaml'), '--top-k', '1')
    assert [d['score'] for d in first['predictions']['detections']] == [1.9, 1.9]


def test_roles_of_vcoco(files):
    boxes = [dict(bbox=HUMAN, category_id=1), dict(bbox=HORSE, category_id=19)]
    hois = [dict(subject_id=0, object_id=1, category_id=3), dict(subject_id=0, object_id=-1, category_id=2)]
    record = dict(file_name='a.png', annotations=boxes, hoi_annotation=hois)
    (files / 'ann.json').write_text(json.dumps([record]))
    dets = dict(human_boxes=[HUMAN] * 2, object_boxes=[HORSE, None], labels=[3, 2], scores=[1.5, 1.2])
    (files / 'r.json').write_text(json.dumps([dict(file_name='a.png', **dets)]))
    (first,) = export(files, 'vcoco')
    found = first['predictions']['detections']
    assert [(d['role'], d['label'], d['score']) for d in found] == [
        ('human', 'person', 1.5),
        ('object', 'horse', 1.5),
        ('human', 'person', 1.2),
    ]
    assert {d['error'] for d in found} == {'correct'} and found[0]['verb'] == 'ride_instr'
    truth = first['ground_truth']['detections']
    assert {(d['verb'], d['role'], d['label']) for d in truth} == {(d['verb'], d['role'], d['label']) for d in found}


def test_missing_and_broken_images_are_named(files):
    (files / 'images' / 'b.png').write_bytes(b'no image')
    with pytest.raises(SystemExit, match=r"error: .*images/b\.png' is no image"):
        export(files, 'hico', '--vocabulary', str(files / 'toy.yaml'))
    assert not (files / 'out' / 'samples.json').exists()
    (files / 'images' / 'b.png').unlink()
    with pytest.raises(SystemExit, match=r'error: .*b\.png'):
        export(files, 'hico', '--vocabulary', str(files / 'toy.yaml'))
