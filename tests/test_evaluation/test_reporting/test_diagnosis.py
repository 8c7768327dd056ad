"""The report of a diagnosis: numbers, tables, the figure, and the page with its drawings and links."""

import base64
import json
import re
import runpy
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from genvlkt_mmdet.evaluation import load_detections, load_ground_truth
from genvlkt_mmdet.evaluation.evaluate import diagnose_detections
from genvlkt_mmdet.evaluation.io import write_results
from genvlkt_mmdet.evaluation.reporting.diagnosis import (
    KINDS,
    TITLES,
    changes,
    diagnosis_figure,
    diagnosis_table,
    summarize_diagnosis,
)
from genvlkt_mmdet.evaluation.reporting.diagnosis_page import write_diagnosis
from genvlkt_mmdet.vocabulary import load_vocabulary
from tests.shared import HICO_LIKE

TOOL = Path(__file__).resolve().parents[3] / 'tools' / 'analysis_tools' / 'diagnose.py'
PERSON, CUP, HORSE = [10, 10, 60, 110], [70, 20, 110, 60], [40, 50, 140, 115]
# Classes: hold cup, hold horse, ride horse, hold person, ride person.
HOLD_CUP, HOLD_HORSE, RIDE_HORSE = 0, 1, 2
EVIL = '<script>alert(1)</script>'


def entry(name, rows):
    humans, objects, labels, scores = (list(column) for column in zip(*rows))
    return dict(file_name=name, human_boxes=humans, object_boxes=objects, labels=labels, scores=scores)


@pytest.fixture
def data(tmp_path):
    """Three images: 'a' holds a cup and rides a horse, 'b' rides a horse, 'c' holds a cup. 'c' has no image file."""
    vocabulary = json.loads(json.dumps(HICO_LIKE))
    vocabulary['hois'][2]['prompt'] = f'a photo of a person riding a {EVIL} & horse'
    (tmp_path / 'vocabulary.json').write_text(json.dumps(vocabulary))
    boxes = [dict(bbox=PERSON, category_id=1), dict(bbox=CUP, category_id=5), dict(bbox=HORSE, category_id=9)]

    def hoi(obj, verb, hoi_id):
        return dict(subject_id=0, object_id=obj, category_id=verb, hoi_category_id=hoi_id)

    hold, ride = hoi(1, 1, 11), hoi(2, 4, 13)
    records = [
        dict(file_name=name, img_id=i, annotations=boxes, hoi_annotation=hois)
        for i, (name, hois) in enumerate({'a.jpg': [hold, ride], 'b.jpg': [ride], '../c.jpg': [hold]}.items())
    ]
    (tmp_path / 'test.json').write_text(json.dumps(records))
    (tmp_path / 'images').mkdir()
    for name in ('images/a.jpg', 'images/b.jpg', 'c.jpg'):
        cv2.imwrite(str(tmp_path / name), np.full((120, 160, 3), 200, np.uint8))
    far = [120, 0, 150, 40]
    before = [
        entry(
            'a.jpg', [(PERSON, CUP, HOLD_CUP, 0.9), (PERSON, HORSE, HOLD_HORSE, 0.8), (PERSON, HORSE, RIDE_HORSE, 0.5)]
        ),
        entry('b.jpg', [(PERSON, far, RIDE_HORSE, 0.7), (far, HORSE, RIDE_HORSE, 0.6)]),
    ]
    after = [
        entry('a.jpg', [(PERSON, CUP, HOLD_CUP, 0.9), (PERSON, HORSE, RIDE_HORSE, 0.8)]),
        entry('b.jpg', [(far, HORSE, RIDE_HORSE, 0.6), (far, far, HOLD_CUP, 0.6)]),
    ]
    write_results(tmp_path / 'before.json', before)
    write_results(tmp_path / 'after.json', after)
    vocabulary = load_vocabulary(tmp_path / 'vocabulary.json')
    images = load_ground_truth(tmp_path / 'test.json', vocabulary)
    diagnoses = [
        diagnose_detections(load_detections(tmp_path / f'{name}.json', images, vocabulary), images, vocabulary)
        for name in ('before', 'after')
    ]
    return tmp_path, vocabulary, images, diagnoses


def test_numbers(data):
    _, vocabulary, _, diagnoses = data
    summary = summarize_diagnosis(diagnoses[0], vocabulary)
    assert summary['detections'] == dict(
        correct=2, human_box=1, object_box=1, both_boxes=0, association=0, interaction=1, duplicate=0
    )
    # 'a' holds the cup; its riding comes after 'holding a horse'; 'b' is first lost by the object; 'c' has no detections.
    assert {k: v for k, v in summary['annotations'].items() if v} == dict(
        correct=1, interaction=1, object_box=1, missing=1
    )
    # hold cup: one of two is found, precision 1: 6 of 11 thresholds. ride horse: the third of three: recall 1/2 at precision 1/3.
    found = 6 / 11 / 5
    assert summary['fixes']['none']['map'] == pytest.approx(found + 6 / 33 / 5)
    assert summary['fixes']['none']['rare'] == 0 and summary['fixes']['none']['non_rare'] > 0
    # With the interaction fixed, riding is found at 0.8, before the two wrong ones.
    assert summary['fixes']['interaction']['gain'] == pytest.approx(6 / 11 / 5 - 6 / 33 / 5)
    assert summary['confusions'] == [
        dict(
            annotated=2,
            detected=1,
            count=1,
            of=1,
            phrases=[f'person riding a {EVIL} & horse', 'person holding a horse'],
        )
    ]
    assert [row['index'] for row in summary['classes']] == [HOLD_CUP, RIDE_HORSE]
    assert summary['classes'][1]['gains']['interaction'] == pytest.approx(6 / 11 - 6 / 33)
    table = diagnosis_table([summary])
    assert re.search(r'interaction +\| 21\.82 +\| \+7\.27 +\| 1 +\| 1 ', table)
    assert re.search(r'recall of pairs +\| 50\.00', table)


def test_changes(data):
    _, vocabulary, _, diagnoses = data
    changed = changes(*diagnoses)
    assert {k: v for k, v in changed['gained'].items() if v} == dict(interaction=1)
    assert not any(changed['lost'].values())
    assert {k: v for k, v in changes(*diagnoses[::-1])['lost'].items() if v} == dict(interaction=1)
    summaries = [summarize_diagnosis(diagnosis, vocabulary) for diagnosis in diagnoses]
    assert re.search(
        r'interaction +\| \+7\.27 +\| \+0\.00 +\| -7\.27 +\| 1 +\| 0 ', diagnosis_table(summaries, ['x', 'y'])
    )


def test_figure(data):
    _, vocabulary, _, diagnoses = data
    summary = summarize_diagnosis(diagnoses[0], vocabulary)
    gains, fates = diagnosis_figure([summary]).axes
    titles = [tick.get_text() for tick in gains.get_yticklabels()]
    assert titles[-1] == 'object box' and set(titles) == {TITLES[kind] for kind in KINDS}
    # 'b' is found at 0.7, before a false positive: recall 1/2 at precision 1, then 1 at 2/3.
    gain = (6 + 5 * 2 / 3) / 11 - 6 / 33
    assert max(bar.get_width() for bar in gains.patches) == pytest.approx(100 * gain / 5)
    assert sum(bar.get_width() for bar in fates.patches) == pytest.approx(100)


@pytest.mark.parametrize('two', [False, True])
def test_page(data, two):
    folder, vocabulary, images, diagnoses = data
    names = ['before', f'after {EVIL}'] if two else ['']
    _, files = write_diagnosis(
        folder / 'report', diagnoses if two else diagnoses[:1], images, vocabulary, folder / 'images', names
    )
    assert [file.name for file in files] == ['diagnosis.json', 'diagnosis.png', 'diagnosis.html']
    content = json.loads(files[0].read_text())
    assert len(content['diagnoses']) == 1 + two and (content['changes'] is not None) == two
    assert cv2.imread(str(files[1])).shape[1] > 1000
    page = files[2].read_text()
    # One file: nothing from elsewhere, no code, and what comes from files is text.
    assert '<script' not in page and 'http:' not in page and 'https:' not in page
    assert 'riding a &lt;script&gt;alert(1)&lt;/script&gt; &amp; horse' in page
    sources = re.findall(r'src="([^"]*)"', page)
    assert sources and all(source.startswith('data:image/') for source in sources)
    targets, ids = re.findall(r'href="#([^"]+)"', page), re.findall(r'id="([^"]+)"', page)
    assert set(targets) <= set(ids) and len(set(ids)) == len(ids)
    assert 'need not add up to' in page and 'Interaction' in page
    if two:
        assert 'At 1 annotated interactions after' in page and 'Those that got worse are first' in page
    else:
        # One image for each of three kinds, and none of '../c.jpg', which is outside the folder; two plots.
        drawings = [source for source in sources if source.startswith('data:image/jpeg')]
        assert len(drawings) == 3 and len(sources) == 5
        for drawing in drawings:
            pixels = np.frombuffer(base64.b64decode(drawing.partition(',')[2]), np.uint8)
            drawn = cv2.imdecode(pixels, cv2.IMREAD_COLOR)
            assert drawn.shape[1] <= 960 and drawn.std() > 10
        assert page.count('<figcaption>') == 3 and 'c.jpg' not in page


def test_page_without_images(data):
    folder, vocabulary, images, diagnoses = data
    _, files = write_diagnosis(folder / 'report', diagnoses[:1], images, vocabulary)
    assert 'Images with errors' not in files[2].read_text()


def test_vcoco(vcoco_fixture, tmp_path):
    images = vcoco_fixture.images
    detections = load_detections(vcoco_fixture.paths.results, images, 'vcoco')
    diagnosis = diagnose_detections(detections, images, 'vcoco')
    summary = summarize_diagnosis(diagnosis, vcoco_fixture.vocabulary)
    expected = vcoco_fixture.expected
    assert summary['fixes']['none']['map'] == pytest.approx(0.40683, abs=1e-4), expected.keys()
    assert summary['annotations']['missing'] == diagnosis.missing.sum()
    for image in images[:20]:
        (tmp_path / image['file_name']).parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(tmp_path / image['file_name']), np.full((480, 640, 3), 128, np.uint8))
    _, files = write_diagnosis(
        tmp_path / 'report', [diagnosis], images, vcoco_fixture.vocabulary, tmp_path, num_examples=1
    )
    page = files[2].read_text()
    assert 'person holding (hold_obj)' in page and 'data:image/jpeg' in page


@pytest.fixture
def run(monkeypatch):
    def call(*arguments):
        monkeypatch.setattr(sys, 'argv', ['diagnose.py', *map(str, arguments)])
        runpy.run_path(str(TOOL), run_name='__main__')

    return call


def test_command(data, run, capsys, monkeypatch):
    folder = data[0]
    monkeypatch.chdir(folder)
    options = ['hico', '--vocabulary', 'vocabulary.json', '--ann-file', 'test.json']
    run(
        *options,
        '--diagnose',
        'before.json',
        'after.json',
        '--report',
        'report',
        '--images',
        'images',
        '--out',
        'M.json',
    )
    printed = capsys.readouterr().out
    assert 'annotations before' in printed and 'Report: report/diagnosis.html' in printed
    assert len(json.loads(Path('M.json').read_text())) == 2
    run(*options, '--diagnose', 'before.json', '--protocol', 'diag-hoi')
    assert 'mAP if fixed' in capsys.readouterr().out


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['--diagnose', 'before.json'], 'There is no .*minihoi.*test.json.* of MiniHOI'),
        (['hico', '--ann-file', 'test.json'], 'either with --results or with --diagnose'),
        (['hico', '--diagnose', 'before.json'], 'the annotations with --ann-file'),
        (['--ann-file', 'test.json', '--diagnose', 'before.json'], 'Name the task'),
        (
            ['hico', '--vocabulary', 'vocabulary.json', '--ann-file', 'test.json', '--diagnose', *['before.json'] * 3],
            'one results file, or two',
        ),
        (
            ['hico', '--vocabulary', 'vocabulary.json', '--ann-file', 'test.json', '--diagnose', 'before.json']
            + ['--protocol', 'qpic'],
            "Unknown protocol 'qpic'",
        ),
    ],
)
def test_mistakes(data, run, monkeypatch, arguments, message):
    monkeypatch.chdir(data[0])
    with pytest.raises(SystemExit, match=message):
        run(*arguments)
