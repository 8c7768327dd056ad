"""What the tests of the inferencer and of its tool share."""

import runpy
import sys
from pathlib import Path

import pytest
import torch
from mmdet.registry import MODELS
from mmengine.config import Config
from mmengine.registry import init_default_scope

from genvlkt_mmdet.apis import HOIInferencer
from genvlkt_mmdet.apis.configs import find_config
from genvlkt_mmdet.vocabulary import load_vocabulary

MODEL = 'gen_vlkt_tiny_minihoi'
TOOL = Path(__file__).parents[2] / 'tools' / 'infer.py'


@pytest.fixture
def run(monkeypatch, tmp_path):
    """Runs tools/infer.py as the command line would, in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def call(*args):
        monkeypatch.setattr(sys, 'argv', [str(TOOL), *map(str, args)])
        runpy.run_path(str(TOOL), run_name='__main__')

    return call


@pytest.fixture(scope='session')
def weights(tmp_path_factory):
    """An untrained model's checkpoint as the Runner writes it: with config and dataset_meta."""
    init_default_scope('mmdet')
    torch.manual_seed(0)
    cfg = Config.fromfile(find_config(MODEL))
    model = MODELS.build(cfg.model)
    file = tmp_path_factory.mktemp('weights') / 'tiny.pth'
    meta = dict(cfg=cfg.pretty_text, dataset_meta=dict(vocabulary=load_vocabulary('minihoi').to_dict()))
    torch.save(dict(state_dict=model.state_dict(), meta=meta), file)
    return file


@pytest.fixture(scope='module')
def inferencer(weights):
    return HOIInferencer(MODEL, weights, device='cpu', show_progress=False)
