"""Earlier versions called the box MLPs ``human_bbox`` and ``object_bbox``: their checkpoints load on every path."""

import uuid

import pytest
import torch
from mmengine.config import Config
from mmengine.runner import Runner
from mmengine.runner.checkpoint import load_state_dict

from genvlkt_mmdet.converters import genvlkt_to_official, load_checkpoint, publish, revert_official
from genvlkt_mmdet.engine.checkpoints import fitting_weights, load_weights
from tests.test_engine.toy import detector_config
from tests.test_models.tiny import build_detector


def old(weights):
    """The weights under their former names, in the same order."""
    return {name.replace('_box_mlp.', '_bbox.'): value for name, value in weights.items()}


def assert_equal(one, other):
    assert list(one) == list(other)
    assert all(torch.equal(value, other[name]) for name, value in one.items())


@pytest.fixture
def weights():
    weights = build_detector(seed=1).state_dict()
    assert sum('_box_mlp.' in name for name in weights) == 12 and not old(weights).keys() >= weights.keys()
    return weights


LOADERS = {
    'torch': lambda model, weights: model.load_state_dict(weights),
    'mmengine': lambda model, weights: load_state_dict(model, weights, strict=True),
    'load_weights': lambda model, weights: load_weights(model, dict(state_dict=weights), 'a.pth', 'b.py'),
    'wrapped': lambda model, weights: load_weights(
        model, {f'module.{name}': value for name, value in weights.items()}, 'a.pth', 'b.py'
    ),
}


@pytest.mark.parametrize('loader', LOADERS)
def test_whole_models(loader, weights):
    model, before = build_detector(seed=2), old(weights)
    names = list(before)
    LOADERS[loader](model, before)
    assert_equal(model.state_dict(), weights)
    assert list(before) == names  # what is loaded does not change


def test_a_head_alone(weights):
    head = build_detector(seed=2).bbox_head
    prefix = 'bbox_head.'
    alone = {name.removeprefix(prefix): value for name, value in weights.items() if name.startswith(prefix)}
    head.load_state_dict(old(alone))
    assert_equal(head.state_dict(), alone)


def test_missing_box_mlps_are_named_as_they_are_now(weights):
    del (before := old(weights))['bbox_head.human_bbox.0.bias']
    with pytest.raises(ValueError, match=r'1 missing \(bbox_head\.human_box_mlp\.0\.bias\)\.$'):
        load_weights(build_detector(), dict(state_dict=before), 'a.pth', 'b.py')


def test_a_checkpoint_that_has_all_weights_needs_no_other_start(weights):
    model = build_detector()
    assert fitting_weights(model, dict(state_dict=old(weights)), 'a.pth') == set(weights)


def test_published_and_converted(weights, tmp_path):
    assert_equal(genvlkt_to_official(dict(state_dict=old(weights)))[0]['model'], revert_official(weights)[0])
    assert_equal(revert_official(old(weights))[0], revert_official(weights)[0])
    torch.save(dict(state_dict=old(weights)), tmp_path / 'old.pth')
    publish.publish_checkpoint(tmp_path / 'old.pth', tmp_path / 'new.pth', half=False)
    assert_equal(load_checkpoint(str(tmp_path / 'new.pth'))['state_dict'], weights)


def test_resuming_continues_with_the_same_optimizer(tmp_path):
    """One more epoch from a checkpoint gives the same weights and moments under either name."""
    config = detector_config(tmp_path)

    def train(epoch, resume=None):
        work_dir = tmp_path / uuid.uuid4().hex
        cfg = Config(dict(config, work_dir=str(work_dir), experiment_name=work_dir.name))
        cfg.train_cfg.max_epochs = epoch
        cfg.load_from, cfg.resume = resume, resume is not None
        Runner.from_cfg(cfg).train()
        return load_checkpoint(str(work_dir / f'epoch_{epoch}.pth'))

    first = train(1)
    results = []
    for name, names in (('now.pth', dict), ('old.pth', old)):
        torch.save(dict(first, state_dict=names(first['state_dict'])), tmp_path / name)
        results.append(train(2, resume=str(tmp_path / name)))
    expected, found = results
    assert_equal(found['state_dict'], expected['state_dict'])
    moments = (checkpoint['optimizer']['state'] for checkpoint in results)
    for one, other in zip(*(state.values() for state in moments), strict=True):
        assert all(torch.equal(value, other[key]) for key, value in one.items())
    name = 'bbox_head.human_box_mlp.0.weight'
    step = found['state_dict'][name] - first['state_dict'][name]
    assert 0 < step.abs().max() < 0.2  # the optimizer moved the loaded weights, not fresh ones
