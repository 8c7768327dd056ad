"""For all tests: the package comes first, since it makes mmdet importable where mmcv has no compiled operators."""

import genvlkt_mmdet  # noqa: F401, I001

import copy
import sys
from pathlib import Path

import mmengine.utils.manager
import pytest
from mmengine.visualization import Visualizer

from genvlkt_mmdet.visualization import HOIVisualizer
from tests.processes import leave_configs_unformatted
from tests.shared import HICO_LIKE

leave_configs_unformatted()
# Tools that a test imports find their neighbours, as they do when Python runs them. At the end: one of them is called test.py.
sys.path.append(str(Path(__file__).parents[1] / 'tools'))


@pytest.fixture(autouse=True)
def own_visualizer():
    """mmengine keeps one visualizer per name and process; a test must not write into the work folder of another."""
    yield
    HOIVisualizer._instance_dict.clear()
    Visualizer._instance_dict.clear()  # all of its kinds


@pytest.fixture(autouse=True)
def free_lock():
    """mmengine keeps its lock if it cannot make an instance, e.g. a logger with a bad file. Other threads would wait for ever."""
    yield
    while mmengine.utils.manager._lock._is_owned():
        mmengine.utils.manager._lock.release()


@pytest.fixture
def toy_vocabulary() -> dict:
    """The first four classes of ``HICO_LIKE``, to change at will. Class 1 is unseen in split 'split', class 3 is rare."""
    data = copy.deepcopy(HICO_LIKE)
    return dict(data, hois=data['hois'][:4], splits=dict(split=[1]))
