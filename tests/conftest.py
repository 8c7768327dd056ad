"""For all tests: the package comes first, since it makes mmdet importable where mmcv has no compiled operators."""

import genvlkt_mmdet  # noqa: F401, I001

import pytest

from genvlkt_mmdet.visualization import HOIVisualizer


@pytest.fixture(autouse=True)
def own_visualizer():
    """mmengine keeps one visualizer per name and process; a test must not write into the work folder of another."""
    yield
    HOIVisualizer._instance_dict.clear()
