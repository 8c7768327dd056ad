"""The vocabulary is an object in ``metainfo`` and plain data in a checkpoint."""

import pickle

import pytest
import torch
from mmengine.config import Config
from mmengine.logging import MMLogger
from mmengine.runner import Runner

from genvlkt_mmdet.converters import load_checkpoint
from genvlkt_mmdet.vocabulary import load_vocabulary
from tests.test_engine.toy import ToyDataset, toy_config

META = dict(dataset_name='toy', classes=('person', 'ball'), vocabulary=load_vocabulary('minihoi'), zero_shot=None)


def train(tmp_path, hook, **options):
    cfg = Config(toy_config(str(tmp_path), **options))
    cfg.default_hooks.checkpoint = dict(type=hook, interval=1)
    cfg.experiment_name = f'{hook}_{tmp_path.name}_{options}'
    cfg.resume = (tmp_path / 'epoch_1.pth').exists()
    Runner.from_cfg(cfg).train()


@pytest.mark.parametrize('hook', ['SafeCheckpointHook', 'CheckpointHook'])
def test_checkpoint_round_trip(tmp_path, monkeypatch, hook):
    monkeypatch.setattr(ToyDataset, 'metainfo', META)
    train(tmp_path, hook, epochs=1)
    path = str(tmp_path / 'epoch_1.pth')
    stored = load_checkpoint(path)['meta']['dataset_meta']['vocabulary']
    if hook == 'SafeCheckpointHook':
        # needs nothing of this package; the log history is the only global that mmengine adds
        assert stored == META['vocabulary'].to_dict()
    assert load_vocabulary(stored) == META['vocabulary']

    warnings = []
    monkeypatch.setattr(MMLogger, 'warning', lambda self, text, *args: warnings.append(text))
    train(tmp_path, hook, epochs=2)
    assert (tmp_path / 'epoch_2.pth').exists()
    assert not [text for text in warnings if 'metainfo' in str(text)]


def test_safe_loading_checks_a_pickled_vocabulary(tmp_path):
    vocabulary = META['vocabulary']
    torch.save(dict(meta=vocabulary), tmp_path / 'good.pth')
    assert load_checkpoint(str(tmp_path / 'good.pth'))['meta'] == vocabulary
    with pytest.raises(pickle.UnpicklingError):
        torch.load(tmp_path / 'good.pth', weights_only=True)
    object.__setattr__(vocabulary := load_vocabulary(vocabulary.to_dict()), 'hoi_verbs', (99,) * vocabulary.num_hois)
    torch.save(dict(meta=vocabulary), tmp_path / 'bad.pth')
    with pytest.raises(ValueError, match='is no checkpoint of torch, or is damaged'):
        load_checkpoint(str(tmp_path / 'bad.pth'))
