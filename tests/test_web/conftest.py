import pytest


@pytest.fixture(scope='session')
def web_weights():
    """The shipped detector."""
    return 'genvlkt://gen_vlkt_tiny_minihoi.pth'
