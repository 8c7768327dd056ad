import pytest

from genvlkt_mmdet.assets import asset_path


@pytest.fixture(scope='session')
def web_weights():
    """The shipped detector."""
    return asset_path('gen_vlkt_tiny_minihoi.pth')
