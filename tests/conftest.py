"""For all tests: the package comes first, since it makes mmdet importable where mmcv has no compiled operators."""

import genvlkt_mmdet  # noqa: F401, I001

import sys
from pathlib import Path

import pytest

from genvlkt_mmdet.visualization import HOIVisualizer

# Tools that a test imports find their neighbours, as they do when Python runs them. At the end: one of them is called test.py.
sys.path.append(str(Path(__file__).parents[1] / 'tools'))


@pytest.fixture(autouse=True)
def own_visualizer():
    """mmengine keeps one visualizer per name and process; a test must not write into the work folder of another."""
    yield
    HOIVisualizer._instance_dict.clear()
