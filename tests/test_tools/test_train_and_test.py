"""What tools/train.py and tools/test.py say to a user who made a mistake; training itself: test_engine/test_resume.py."""

import os
import subprocess
import sys
from pathlib import Path

import torch
from mmengine.config import Config

from tests.test_engine.toy import toy_config

REPO = Path(__file__).parents[2]


def run(tool: str, *arguments: str, cwd: Path) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, REPO / 'tools' / tool, *arguments],
        cwd=cwd,
        env=os.environ | dict(PYTHONPATH=str(REPO)),
        capture_output=True,
        text=True,
        timeout=900,
    )


def test_train_names_the_missing_config(tmp_path):
    done = run('train.py', 'gen_vlkt_s.py', cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == 'error: The config file gen_vlkt_s.py does not exist: check its path.'
    assert 'Traceback' not in done.stderr


def test_test_refuses_the_checkpoint_of_another_config(tmp_path):
    Config(toy_config('work')).dump(tmp_path / 'toy.py')
    other = dict(
        state_dict={'head.0.weight': torch.zeros(9, 3)}, meta=dict(experiment_name='gen_vlkt_s_hico_20260101_000000')
    )
    torch.save(other, tmp_path / 'other.pth')
    done = run('test.py', 'toy.py', 'other.pth', cwd=tmp_path)
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last.startswith(
        'error: The checkpoint other.pth does not fit the config toy.py: of its weights are 1 of another shape'
    )
    assert last.endswith('it was trained with the config gen_vlkt_s_hico.py.')
    assert 'Traceback' not in done.stderr
