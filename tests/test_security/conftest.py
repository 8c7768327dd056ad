"""What the hostile files have in common: a model for them to be about, and a trap that shows whether one ran."""

from pathlib import Path

import pytest
import torch
from mmdet.registry import MODELS
from mmengine.config import Config
from mmengine.registry import init_default_scope

from genvlkt_mmdet.apis.configs import find_config

MODEL = 'gen_vlkt_tiny_minihoi'


class Trap:
    """A file that hostile code makes, and the ways to say so in a checkpoint."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.shell = f'touch {path}'
        self.python = f"__import__('os').system({self.shell!r})"

    def __reduce__(self):
        import os

        return os.system, (self.shell,)

    @property
    def sprung(self) -> bool:
        return self.path.exists()


@pytest.fixture
def trap(tmp_path):
    """Fails the test at its end when anything has sprung it."""
    trap = Trap(tmp_path / 'pwned')
    yield trap
    assert not trap.sprung


@pytest.fixture(scope='session')
def config():
    """Config of the small model."""
    return Config.fromfile(find_config(MODEL))


@pytest.fixture(scope='session')
def state(config):
    """Weights of an untrained model of that config."""
    init_default_scope('mmdet')
    torch.manual_seed(0)
    return MODELS.build(config.model).state_dict()


@pytest.fixture
def save(state, tmp_path):
    """Writes a checkpoint with the weights and a given ``meta``, and gives back its path."""

    def call(meta, name='hostile.pth', **more):
        torch.save(dict(state_dict=state, meta=meta, **more), tmp_path / name)
        return tmp_path / name

    return call
