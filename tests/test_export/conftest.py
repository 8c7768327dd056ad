import pytest
from mmengine.registry import init_default_scope

import genvlkt_mmdet  # noqa: F401  (registers)


@pytest.fixture(autouse=True)
def _scope():
    init_default_scope('mmdet')
