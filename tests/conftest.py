"""For all tests: the package comes first, since it makes mmdet importable where mmcv has no compiled operators."""

import genvlkt_mmdet  # noqa: F401, I001

import sys
from pathlib import Path

import pytest

from genvlkt_mmdet.visualization import HOIVisualizer
from tests.processes import leave_configs_unformatted

leave_configs_unformatted()
# Tools that a test imports find their neighbours, as they do when Python runs them. At the end: one of them is called test.py.
sys.path.append(str(Path(__file__).parents[1] / 'tools'))


@pytest.fixture(autouse=True)
def own_visualizer():
    """mmengine keeps one visualizer per name and process; a test must not write into the work folder of another."""
    yield
    HOIVisualizer._instance_dict.clear()


@pytest.fixture
def toy_vocabulary() -> dict:
    """Three objects with ids that have gaps, two verbs, four HOI classes; class 3 is unseen in split 'split'."""
    return dict(
        name='toy',
        objects=[dict(id=1, name='person'), dict(id=5, name='cup'), dict(id=9, name='horse')],
        verbs=[dict(id=1, name='hold', phrase='holding'), dict(id=4, name='ride', phrase='riding')],
        hois=[
            dict(id=11, verb=0, object=1, prompt='a photo of a person holding a cup'),
            dict(id=12, verb=0, object=2, prompt='a photo of a person holding a horse'),
            dict(id=13, verb=1, object=2, prompt='a photo of a person riding a horse'),
            dict(id=14, verb=0, object=0, prompt='a photo of a person holding a person'),
        ],
        object_prompts=['a person', 'a cup', 'a horse', 'nothing'],
        splits=dict(split=[1]),
        rare=[3],
    )
