"""A setting that is unknown or impossible ends a run with one sentence, whichever part of mmengine's Runner it is of."""

import pytest
import torch
from mmdet.registry import DATASETS, HOOKS, MODELS
from mmengine.config import Config
from mmengine.dataset import BaseDataset
from mmengine.hooks import Hook
from mmengine.registry import DefaultScope
from mmengine.runner import Runner

from genvlkt_mmdet.engine import ConfigError, test_model, train_model
from tests.test_engine.toy import detector_config


@HOOKS.register_module()
class FaultyHook(Hook):
    """A hook with a bug in its own code."""

    def __init__(self, when: str) -> None:
        self.when = when
        if when == 'built':
            self.step()

    def step(self) -> None:
        raise AttributeError('a bug')

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        self.step()


@DATASETS.register_module()
class FaultyDataset(BaseDataset):
    """A dataset with a bug in its own code."""

    def load_data_list(self):
        return [dict()[1]]


@pytest.fixture
def cfg(tmp_path, monkeypatch) -> Config:
    # what takes mmengine seconds
    monkeypatch.setattr(Runner, '_log_env', lambda *args: None)
    monkeypatch.setattr(Config, 'pretty_text', property(lambda self: ''))
    cfg = Config(detector_config(tmp_path))
    cfg.val_dataloader, cfg.val_cfg, cfg.val_evaluator = cfg.test_dataloader, dict(type='ValLoop'), cfg.test_evaluator
    return cfg


@pytest.fixture
def weights(cfg, tmp_path) -> str:
    with DefaultScope.overwrite_default_scope('mmdet'):
        torch.save(dict(state_dict=MODELS.build(cfg.model).state_dict(), meta={}), tmp_path / 'a.pth')
    return str(tmp_path / 'a.pth')


UNKNOWN = "no part is registered as '{}'"
TRAINING = [
    ('optim_wrapper.optimizer.typ', 'x', "^optim_wrapper: AdamW has no setting 'typ': did you mean type"),
    ('optim_wrapper.optimizer.lrr', 1, "^optim_wrapper: AdamW has no setting 'lrr': did you mean lr"),
    ('optim_wrapper.optimizer.type', 'AdamX', f'^optim_wrapper: {UNKNOWN.format("AdamX")}: did you mean Ada'),
    ('optim_wrapper.optimizer.lr', -1, '^optim_wrapper: Invalid learning rate: -1'),
    ('optim_wrapper.clip_grad', dict(max_nrm=1), "^optim_wrapper.clip_grad: .* has no setting 'max_nrm'.* max_norm"),
    ('optim_wrapper.type', 'OptimWraper', '^optim_wrapper: .*: did you mean OptimWrapper'),
    ('optim_wrapper', None, 'has no `optim_wrapper`'),
    ('train_dataloader', None, 'has no `train_dataloader`'),
    ('train_dataloader', 3, 'has no `train_dataloader`'),
    ('param_scheduler.0.milstones', [1], "^param_scheduler: MultiStepLR has no setting 'milstones': did you mean mile"),
    ('param_scheduler.0.type', 'MultiStep', '^param_scheduler: .*: did you mean MultiStepLR'),
    ('param_scheduler', 3, '^param_scheduler|`param_scheduler`'),
    ('train_cfg.max_epoch', 3, "^train_cfg: EpochBasedTrainLoop has no setting 'max_epoch': did you mean max_epochs"),
    ('train_cfg', dict(type='IterBasedTrainLoop', max_iters=1, max_epochs=3), "^train_cfg: .* no setting 'max_epochs'"),
    ('train_cfg.max_epochs', 0, '^train_cfg.max_epochs must be at least 1, not 0'),
    ('train_cfg.max_epochs', 'three', '^train_cfg: .*three'),
    ('train_cfg.val_interval', 0, '^train_cfg.val_interval must be at least 1, not 0'),
    ('train_cfg.type', 'NoLoop', f'^train_cfg: {UNKNOWN.format("NoLoop")}'),
    (
        'default_hooks.checkpoint.intervall',
        1,
        "^default_hooks: SafeCheckpointHook has no setting 'intervall': .* interval",
    ),
    ('default_hooks.checkpoint.save_best', 3, '^default_hooks .*save_best'),
    (
        'default_hooks.logger.intervall',
        1,
        "^default_hooks: LoggerHook has no setting 'intervall': did you mean interval",
    ),
    ('custom_hooks', [dict(type='NoHook')], f'^custom_hooks: {UNKNOWN.format("NoHook")}'),
    ('custom_hooks', [dict(type='ProfilerHook', activity_with_gpu=1)], '^custom_hooks: ProfilerHook has no setting'),
    ('default_hooks.logger.interval', 0, '^default_hooks: interval must be greater than 0'),
    ('custom_hooks', 3, '^custom_hooks '),
    ('train_dataloader.batch_size', 0, '^train_dataloader: batch_size should be a positive integer'),
    ('train_dataloader.num_worker', 3, "^train_dataloader: DataLoader has no setting 'num_worker': did you mean num_w"),
    ('train_dataloader.persistent_workers', True, '^train_dataloader: persistent_workers option needs num_workers > 0'),
    ('train_dataloader.sampler.type', 'NoSampler', f'^train_dataloader: {UNKNOWN.format("NoSampler")}: did you mean'),
    ('train_dataloader.sampler.shufle', 1, "^train_dataloader: DefaultSampler has no setting 'shufle': .* shuffle"),
    ('train_dataloader.collate_fn', dict(type='no_collate'), '^train_dataloader '),
    ('val_dataloader.num_worker', 3, "^val_dataloader: DataLoader has no setting 'num_worker'"),
    ('val_cfg.typ', 3, "^val_cfg: ValLoop has no setting 'typ': did you mean type"),
    ('val_cfg', None, 'has no `val_cfg`, which belongs to'),
    (
        'val_evaluator.max_per_imag',
        3,
        "^val_evaluator: HICOMetric has no setting 'max_per_imag': did you mean max_per_im",
    ),
    ('visualizer', dict(type='X'), f'^visualizer: {UNKNOWN.format("X")}'),
    ('visualizer', dict(type='HOIVisualizer', vis_backends=[dict(type='NoBackend')]), '^visualizer: .*NoBackend'),
    ('log_level', 'FOO', '^log_level .*FOO'),
    (
        'log_processor',
        dict(window_siz=1),
        "^log_processor: LogProcessor has no setting 'window_siz': did you mean window_size",
    ),
    ('env_cfg', dict(mp_cfg=dict(mp_start_method='thread')), '^env_cfg: .*thread'),
    ('env_cfg', 3, '^env_cfg '),
    ('randomness.sed', 3, "^randomness: .*set_randomness has no setting 'sed': did you mean seed"),
    ('auto_scale_lr', dict(enable=True), '^auto_scale_lr .*base_batch_size'),
]


@pytest.mark.parametrize(('key', 'value', 'sentence'), TRAINING, ids=[f'{key}={value}' for key, value, _ in TRAINING])
def test_training(cfg, key, value, sentence):
    cfg.merge_from_dict({key: value})
    with pytest.raises(ConfigError, match=sentence) as caught:
        train_model(cfg)
    assert '\n' not in str(caught.value)


TESTING = [
    ('test_evaluator.type', 'NoMetric', f'^test_evaluator: {UNKNOWN.format("NoMetric")}'),
    (
        'test_evaluator.max_per_imag',
        3,
        "^test_evaluator: HICOMetric has no setting 'max_per_imag': did you mean max_per_im",
    ),
    ('test_dataloader.num_worker', 3, "^test_dataloader: DataLoader has no setting 'num_worker'"),
    ('test_cfg.type', 'NoLoop', f'^test_cfg: {UNKNOWN.format("NoLoop")}'),
    ('test_cfg', None, 'has no `test_cfg`'),
    ('visualizer', dict(type='X'), f'^visualizer: {UNKNOWN.format("X")}'),
    ('default_hooks.logger.type', 'Logger', '^default_hooks: .*: did you mean LoggerHook'),
]


@pytest.mark.parametrize(('key', 'value', 'sentence'), TESTING, ids=[f'{key}={value}' for key, value, _ in TESTING])
def test_testing(cfg, weights, key, value, sentence):
    cfg.load_from = weights
    cfg.merge_from_dict({key: value})
    with pytest.raises(ConfigError, match=sentence) as caught:
        test_model(cfg)
    assert '\n' not in str(caught.value)


@pytest.mark.parametrize('verbose', [True, False])
@pytest.mark.parametrize('when', ['built', 'trained'])
def test_faults_of_other_code_keep_their_traceback(cfg, when, verbose):
    cfg.custom_hooks = [dict(type='FaultyHook', when=when)]
    with pytest.raises(AttributeError) as caught:
        train_model(cfg, verbose)
    assert caught.traceback[-1].path.name == 'test_settings.py'


def test_faults_of_a_dataset_keep_their_traceback(cfg):
    cfg.train_dataloader.dataset = dict(type='FaultyDataset')
    with pytest.raises(KeyError) as caught:
        train_model(cfg)
    assert caught.traceback[-1].path.name == 'test_settings.py'


def test_resuming_with_another_optimizer(cfg):
    train_model(cfg)
    cfg.merge_from_dict(
        {
            'optim_wrapper.paramwise_cfg': dict(custom_keys=dict(backbone=dict(lr_mult=0.1))),
            'train_cfg.max_epochs': 2,
            'load_from': f'{cfg.work_dir}/epoch_1.pth',
            'resume': True,
            'experiment_name': 'resumed',
        }
    )
    with pytest.raises(ConfigError, match='^load_from: .*parameter groups'):
        train_model(cfg)
