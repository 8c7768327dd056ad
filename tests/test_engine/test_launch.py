import re

import pytest
import torch
from mmengine.config import Config

from genvlkt_mmdet.engine import (
    CheckpointError,
    ConfigError,
    build_model,
    launch,
    test_model,
    testing_config,
    train_model,
    training_config,
)
from genvlkt_mmdet.models import HOITTAModel
from tests.test_engine.toy import detector_config, toy_config


@pytest.fixture
def config(tmp_path, monkeypatch) -> str:
    """A config file in a folder of its own, which is the current one."""
    monkeypatch.chdir(tmp_path)
    cfg = toy_config('x', epochs=1) | dict(load_from='pretrained.pth', experiment_name=tmp_path.name)
    del cfg['work_dir']
    Config(cfg).dump('toy_a.py')
    return 'toy_a.py'


def test_defaults_and_overrides(config):
    cfg = training_config(config, cfg_options={'model.width': 7})
    assert (cfg.work_dir, cfg.model.width, cfg.launcher) == ('work_dirs/toy_a', 7, 'none')
    assert training_config(config, work_dir='elsewhere', launcher='pytorch').work_dir == 'elsewhere'


@pytest.mark.parametrize(
    ('has_it', 'settings'),
    [(True, dict(type='BFloat16OptimWrapper')), (False, dict(type='AmpOptimWrapper', loss_scale='dynamic'))],
)
def test_mixed_precision_is_bfloat16_where_there_are_instructions_for_it(config, monkeypatch, has_it, settings):
    plain = training_config(config).optim_wrapper
    monkeypatch.setattr(launch, 'computes_bfloat16', lambda: has_it)
    assert training_config(config, amp=True).optim_wrapper == plain | settings


def test_learning_rate_scaling_needs_a_batch_size(config):
    with pytest.raises(ValueError, match=r'toy_a\.py has no auto_scale_lr\.base_batch_size'):
        training_config(config, auto_scale_lr=True)
    options = {'auto_scale_lr.enable': False, 'auto_scale_lr.base_batch_size': 16}
    assert training_config(config, auto_scale_lr=True, cfg_options=options).auto_scale_lr.enable is True


def test_missing_files_are_named(config):
    with pytest.raises(
        FileNotFoundError, match=r'^The config file toy_b\.py does not exist: did you mean toy_a\.py\?$'
    ):
        training_config('toy_b.py')
    with pytest.raises(FileNotFoundError, match=r'^The config file no/where\.py does not exist: check its path\.$'):
        testing_config('no/where.py', 'x.pth')
    with pytest.raises(FileNotFoundError, match=r'^The checkpoint file x\.pth does not exist: check its path\.$'):
        testing_config(config, 'x.pth')
    with pytest.raises(FileNotFoundError, match=r'^The checkpoint file x\.pth does not exist'):
        training_config(config, resume='x.pth')


def test_resume(config, tmp_path):
    cfg = training_config(config, resume=True)
    assert (cfg.resume, cfg.load_from) == (False, 'pretrained.pth'), (
        'killed before the first checkpoint: start as at first'
    )
    (tmp_path / 'work_dirs' / 'toy_a').mkdir(parents=True)
    torch.save({}, 'work_dirs/toy_a/epoch_3.pth')
    assert training_config(config).get('resume', False) is False
    cfg = training_config(config, resume=True)
    assert (cfg.resume, cfg.load_from) == (True, 'work_dirs/toy_a/epoch_3.pth')
    torch.save({}, 'other.pth')
    assert training_config(config, resume='other.pth').load_from == 'other.pth'


def test_checkpoint_of_another_config(config):
    torch.save(
        dict(state_dict={'head.0.weight': torch.zeros(9, 3)}, meta=dict(experiment_name='toy_z_20260101_000000')),
        'z.pth',
    )
    sentence = r'^The checkpoint z\.pth does not fit the config toy_a\.py: .*head\.0\.weight is 9x3 instead of 4x3.*toy_z\.py\.$'
    with pytest.raises(CheckpointError, match=sentence):
        test_model(testing_config(config, 'z.pth'))
    with pytest.raises(CheckpointError, match=re.escape('does not fit the config toy_a.py')):
        train_model(training_config(config, resume='z.pth', cfg_options=dict(experiment_name='resumed')))


def test_predictions_are_dumped_as_pickle(config):
    torch.save({}, 'a.pth')
    with pytest.raises(ValueError, match=r'out\.json has to end in \.pkl or \.pickle'):
        test_model(testing_config(config, 'a.pth'), out='out.json')


def test_augmentation_and_boxes(tmp_path, monkeypatch):
    """Three views of an image, and the figures of two metrics; a config without views is told what it lacks."""
    monkeypatch.chdir(tmp_path)
    cfg = detector_config(tmp_path)
    Config(cfg).dump('small.py')
    torch.save(dict(state_dict=build_model(Config(cfg)).state_dict()), 'a.pth')
    with pytest.raises(ConfigError, match=r'small\.py has no `tta_model`, which test-time augmentation needs'):
        test_model(testing_config('small.py', 'a.pth'), tta=True)
    views = [
        dict(type='RandomFlip', prob=p, direction=d)
        for p, d in ((0.0, 'horizontal'), (1.0, 'horizontal'), (1.0, 'vertical'))
    ]
    options = dict(
        tta_pipeline=[
            dict(type='LoadHOIImage'),
            dict(type='TestTimeAug', transforms=[views, [dict(type='PackHOIInputs')]]),
        ],
        tta_model=dict(type='HOITTAModel', max_per_img=7),
    )
    seen = []
    merge = HOITTAModel.merge_preds
    monkeypatch.setattr(
        HOITTAModel, 'merge_preds', lambda self, views: seen.append(len(views[0])) or merge(self, views)
    )
    figures = test_model(testing_config('small.py', 'a.pth', cfg_options=options), tta=True, boxes=True)
    assert seen == [3]
    assert {'hico/full', 'boxes/person/mAP', 'boxes/object/AR@100'} <= set(figures)
