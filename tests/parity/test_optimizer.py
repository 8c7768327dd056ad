"""The Runner builds the authors' parameter groups from the configs."""

import pytest
from mmengine.optim import build_optim_wrapper

from genvlkt_mmdet.converters import revert_official

from .conftest import configurations, load_json


@configurations('hico_s', 'vcoco_s', 'hico_s_zs_rf', 'hico_l')
def test_parameter_groups(reference):
    fixture = load_json(f'param_groups_{reference.name}')
    expected = fixture['param_groups']
    parameters = dict(reference.model.named_parameters())
    by_name, unknown = revert_official(parameters)
    assert not unknown
    optimizer = build_optim_wrapper(reference.model, reference.cfg.optim_wrapper).optimizer
    assert type(optimizer).__name__ == 'AdamW'
    group_of = {id(parameter): group for group in optimizer.param_groups for parameter in group['params']}
    for name, parameter in by_name.items():
        # the affine parameters of the frozen batch norm are buffers there
        trainable = name in expected and expected[name]['trainable']
        assert parameter.requires_grad == trainable, name
        if trainable:
            group = group_of[id(parameter)]
            assert group['lr'] == pytest.approx(expected[name]['lr'], rel=1e-9), name
            assert group['weight_decay'] == pytest.approx(expected[name]['weight_decay'], rel=1e-9), name
    assert set(expected) <= set(by_name)


@configurations('hico_s')
def test_schedule(reference):
    args, cfg = load_json('param_groups_hico_s')['args'], reference.cfg
    assert cfg.optim_wrapper.clip_grad == dict(max_norm=args['clip_max_norm'], norm_type=2)
    assert cfg.train_cfg.max_epochs == args['epochs']
    (scheduler,) = cfg.param_scheduler
    assert (scheduler.type, scheduler.milestones, scheduler.gamma) == ('MultiStepLR', [args['lr_drop']], 0.1)
    assert cfg.train_dataloader.batch_size == args['batch_size']
    assert cfg.auto_scale_lr.base_batch_size == 16
