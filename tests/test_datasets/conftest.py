import json
import runpy
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from mmengine.registry import init_default_scope

import genvlkt_mmdet  # noqa: F401  (registers)


@pytest.fixture(autouse=True)
def _scope():
    init_default_scope('mmdet')


@pytest.fixture
def toy_records() -> list[dict]:
    """Image 0: a person with cup and horse (two HOIs with the horse); image 1: no pair; image 2: a person and a cup."""
    return [
        dict(
            file_name='a.png',
            width=60,
            height=40,
            annotations=[
                dict(bbox=[5, 5, 25, 35], category_id=1),
                dict(bbox=[20, 10, 30, 20], category_id=5),
                dict(bbox=[30, 5, 58, 38], category_id=9),
            ],
            hoi_annotation=[
                dict(subject_id=0, object_id=2, category_id=1, hoi_category_id=12),
                dict(subject_id=0, object_id=1, category_id=1, hoi_category_id=11),
                dict(subject_id=0, object_id=2, category_id=4, hoi_category_id=13),
            ],
        ),
        dict(
            file_name='b.png',
            width=30,
            height=50,
            annotations=[dict(bbox=[1, 1, 9, 9], category_id=9)],
            hoi_annotation=[],
        ),
        dict(
            file_name='c.png',
            width=50,
            height=50,
            annotations=[dict(bbox=[10, 10, 30, 45], category_id=1), dict(bbox=[25, 20, 35, 30], category_id=5)],
            hoi_annotation=[dict(subject_id=0, object_id=1, category_id=1, hoi_category_id=11)],
        ),
    ]


@pytest.fixture
def write_toy(tmp_path: Path):
    """Writes records as ``ann.json`` and an image of noise for each; returns arguments for a dataset."""

    def write(records: list[dict]) -> dict:
        rng = np.random.default_rng(0)
        (tmp_path / 'images').mkdir(exist_ok=True)
        for record in records:
            size = (record.get('height', 40), record.get('width', 60), 3)
            cv2.imwrite(str(tmp_path / 'images' / record['file_name']), rng.integers(0, 256, size, dtype=np.uint8))
        (tmp_path / 'ann.json').write_text(json.dumps(records))
        return dict(data_root=str(tmp_path), ann_file='ann.json', data_prefix=dict(img='images'))

    return write


@pytest.fixture
def run_tool(monkeypatch, capsys):
    """Runs a tool of ``tools/`` in this process; returns what it printed and what it exited with (None: well)."""

    def run(tool: str, *args) -> tuple[str, object]:
        path = Path(__file__).resolve().parents[2] / 'tools' / tool
        monkeypatch.setattr(sys, 'argv', [str(path), *map(str, args)])
        code = None
        try:
            runpy.run_path(str(path), run_name='__main__')
        except SystemExit as exit_:
            code = exit_.code
        return capsys.readouterr().out, code

    return run
