"""What the tests of the inferencer and of its tool share."""

import runpy
import sys
from pathlib import Path

import pytest

TOOL = Path(__file__).parents[2] / 'tools' / 'infer.py'


@pytest.fixture
def run(monkeypatch, tmp_path):
    """Runs tools/infer.py as the command line would, in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def call(*args):
        monkeypatch.setattr(sys, 'argv', [str(TOOL), *map(str, args)])
        runpy.run_path(str(TOOL), run_name='__main__')

    return call
