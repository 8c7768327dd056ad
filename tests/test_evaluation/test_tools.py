"""tools/eval_results.py and tools/export_official.py, called as from the command line but in this process."""

import csv
import json
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.shared import shared_path

TOOLS = Path(__file__).resolve().parents[2] / 'tools'


@pytest.fixture
def run(monkeypatch):
    def call(tool, *arguments):
        monkeypatch.setattr(sys, 'argv', [f'{tool}.py', *map(str, arguments)])
        runpy.run_path(str(TOOLS / f'{tool}.py'), run_name='__main__')

    return call


def test_hico(run, hico_fixture, tmp_path, capsys):
    ann_file = shared_path('reference', 'hico_eval_test_hico.json')
    (tmp_path / 'results.json').write_text(json.dumps(hico_fixture.dets['no_nms'][:-1]))
    run(
        *('eval_results', 'hico', '--ann-file', ann_file, '--results', tmp_path / 'results.json'),
        *('--out', tmp_path / 'out' / 'M.json', '--zero-shot', 'rare_first', '--report', tmp_path / 'report'),
        *('--train-ann-file', shared_path('reference', 'hico_eval_trainval_hico.json'), '--classwise'),
    )
    printed = capsys.readouterr().out
    assert '1 of 174 images have no detections' in printed and 'person riding a bicycle' in printed
    figures = json.loads((tmp_path / 'out' / 'M.json').read_text())
    assert {'full', 'rare', 'non_rare', 'mean_max_recall', 'ap'} <= set(figures['default'])
    assert set(figures['zero_shot']) == {'unseen', 'seen', 'full'} and len(figures['known_object']['ap']) == 600
    assert figures['missing_images'] == 1
    rows = list(csv.DictReader((tmp_path / 'report' / 'classes.csv').open()))
    assert len(rows) == 600
    assert [float(row['ap_default']) for row in rows] == figures['default']['ap']
    unseen = set(hico_fixture.vocabulary.unseen('rare_first'))
    assert all((row['unseen'] == '1') == (i in unseen) for i, row in enumerate(rows))
    assert sum(row['rare'] == '1' for row in rows) == 138
    assert sum(int(row['train_instances']) for row in rows) > 1000
    picture = np.asarray(Image.open(tmp_path / 'report' / 'classes.png').convert('RGB'))
    assert picture.shape[1] > 1000 and len(np.unique(picture.reshape(-1, 3), axis=0)) > 50


def test_qpic_takes_the_rare_classes_from_the_training_file(run, hico_fixture, tmp_path):
    (tmp_path / 'results.json').write_text(json.dumps(hico_fixture.dets['nms']))
    run(
        *('eval_results', 'hico', '--protocol', 'qpic', '--results', tmp_path / 'results.json'),
        *('--ann-file', shared_path('reference', 'hico_eval_test_hico.json'), '--out', tmp_path / 'M.json'),
        *('--train-ann-file', shared_path('reference', 'hico_eval_trainval_hico.json')),
    )
    figures = json.loads((tmp_path / 'M.json').read_text())['default']
    stats = hico_fixture.python['nms']['stats']
    assert figures['full'] == pytest.approx(stats['mAP'], abs=1e-9)
    assert figures['rare'] == pytest.approx(stats['mAP rare'], abs=1e-9)
    assert figures['non_rare'] == pytest.approx(stats['mAP non-rare'], abs=1e-9)


def test_vcoco(run, vcoco_fixture, tmp_path, capsys):
    paths = vcoco_fixture.paths
    truth = ('--ann-file', paths.ann_file, '--coco-file', paths.coco_file, '--split-ids', paths.split_ids)
    out, report = tmp_path / 'M.json', tmp_path / 'report'
    run('eval_results', 'vcoco', *truth, '--results', paths.results, '--out', out, '--report', report)
    printed = capsys.readouterr().out
    assert '5 of 200 images have no detections' in printed
    assert '1 detections are in images outside the split' in printed
    figures = json.loads(out.read_text())
    expected = vcoco_fixture.expected
    for scenario in ('scenario_1', 'scenario_2'):
        assert figures[scenario]['mean_25'] == pytest.approx(expected[f'role_ap_mean_{scenario}'], abs=1e-6)
        for name, role in expected[f'role_ap_{scenario}'].items():
            assert figures[scenario]['ap'][name] == pytest.approx(role['ap'], abs=1e-6)
    assert figures['agent']['mean'] == pytest.approx(expected['agent_ap_mean'], abs=1e-6)
    assert len(list(csv.DictReader((report / 'classes.csv').open()))) == 25 + 26
    assert Image.open(report / 'classes.png').size[0] > 1000

    run('export_official', 'vcoco', *truth, '--results', paths.results, '--out', tmp_path / 'dets.pkl')
    run('eval_results', 'vcoco', *truth, '--results', tmp_path / 'dets.pkl', '--out', tmp_path / 'again.json')
    assert json.loads((tmp_path / 'again.json').read_text()) == figures


def test_errors_are_one_sentence(run, vcoco_fixture, tmp_path):
    ann_file = shared_path('reference', 'hico_eval_test_hico.json')
    with pytest.raises(SystemExit, match=r'^error: There are no results at .*none.json'):
        run('eval_results', 'hico', '--ann-file', ann_file, '--results', tmp_path / 'none.json')
    (tmp_path / 'results.json').write_text('[{"file_name": "HICO_te')
    with pytest.raises(SystemExit, match='ends in the middle'):
        run('eval_results', 'hico', '--ann-file', ann_file, '--results', tmp_path / 'results.json')
    (tmp_path / 'results.json').write_text('[]')
    with pytest.raises(SystemExit, match="no zero-shot split 'rf'; it has: rare_first"):
        run(
            *('eval_results', 'hico', '--ann-file', ann_file, '--results', tmp_path / 'results.json'),
            *('--zero-shot', 'rf'),
        )
    with pytest.raises(SystemExit, match='together with the COCO instances'):
        run('eval_results', 'vcoco', '--ann-file', vcoco_fixture.paths.ann_file, '--results', tmp_path / 'results.json')
