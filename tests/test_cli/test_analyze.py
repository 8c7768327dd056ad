"""The verbs of ``genvlkt analyze``; what they compute is in test_models/test_complexity.py and test_engine/test_robustness.py."""

import json

import pytest
import torch
from mmengine.config import Config

from genvlkt_mmdet.cli import run_verb
from genvlkt_mmdet.engine import build_model
from tests.test_engine.toy import detector_config


def test_flops_prints_a_table(capsys):
    run_verb('analyze flops', ['configs/gen_vlkt_tiny_minihoi.py', '--shape', '128', '128'])
    shown = capsys.readouterr().out
    assert 'one image of 128 x 128 pixels' in shown
    rows = {line.split('|')[1].strip(): line.split('|')[2:-1] for line in shown.splitlines() if line.startswith('|')}
    assert {'backbone', 'encoder', 'instance decoder', 'interaction decoder', 'heads'} < set(rows)
    millions, *_, billions = map(float, rows['total'])
    assert 2 < millions < 3 and 0.3 < billions < 0.5
    with pytest.raises(SystemExit, match=r'^error: The config file none\.py does not exist'):
        run_verb('analyze flops', ['none.py'])


def test_robustness_writes_and_prints(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    cfg = Config(detector_config(tmp_path))
    cfg.dump('small.py')
    torch.save(dict(state_dict=build_model(cfg).state_dict()), 'a.pth')
    command = ['small.py', 'a.pth', '--corruptions', 'fog', 'jpeg', '--levels', '2', '--out', 'r.json']
    run_verb('analyze robustness', command)
    shown = capsys.readouterr().out
    assert '| fog ' in shown and 'Mean robustness: ' in shown and 'Figures: r.json' in shown
    assert set(json.loads((tmp_path / 'r.json').read_text())['corrupted']) == {'fog', 'jpeg'}
    with pytest.raises(SystemExit, match=r"^error: 'r\.json' has the figures of another model"):
        run_verb('analyze robustness', [*command, '--seed', '5'])
