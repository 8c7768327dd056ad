"""The command line around genvlkt_mmdet.engine.run_mmdet_tool; what the scripts do is in test_configs/test_with_mmdet.py."""

import runpy
import sys
from pathlib import Path

import pytest
import torch

TOOL = Path(__file__).parents[2] / 'tools' / 'mmdet_tool.py'


def call(monkeypatch, *arguments):
    monkeypatch.setattr(sys, 'argv', ['mmdet_tool.py', *arguments])
    runpy.run_path(str(TOOL), run_name='__main__')


def test_unknown_script_ends_with_a_sentence(monkeypatch):
    with pytest.raises(SystemExit) as end:
        call(monkeypatch, 'browse_datasets', 'config.py', '--not-show')
    assert end.value.code.startswith("error: MMDetection has no script 'browse_datasets': did you mean browse_dataset")


def test_options_reach_the_script(monkeypatch, capsys):
    allowed = set(map(str, torch.serialization.get_safe_globals()))
    with pytest.raises(SystemExit) as end:
        call(monkeypatch, 'browse_dataset', '--help')
    assert end.value.code == 0 and '--output-dir' in capsys.readouterr().out
    assert set(map(str, torch.serialization.get_safe_globals())) == allowed, 'loading elsewhere is as before'
