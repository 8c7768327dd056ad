import pytest

from genvlkt_mmdet.vocabulary import load_vocabulary


@pytest.fixture(scope='session')
def hico():
    return load_vocabulary('hico')


@pytest.fixture(scope='session')
def vcoco():
    return load_vocabulary('vcoco')
