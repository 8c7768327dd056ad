"""Each config trains for two iterations and evaluates, at a small size."""

import math

import pytest
import torch
from mmengine.runner import Runner

from genvlkt_mmdet.models.layers import TextClassifier

from .conftest import shrunk
from .test_structure import PAPER

LOSSES = {f'loss_{kind}' for kind in ('hoi', 'obj', 'human_bbox', 'object_bbox', 'human_iou', 'object_iou')}


@pytest.mark.parametrize('name', PAPER)
def test_two_iterations_and_an_evaluation(name, toy_data, tiny_clip, tmp_path):
    cfg = shrunk(name, toy_data, tiny_clip, tmp_path)
    runner = Runner.from_cfg(cfg)
    before = {}
    layers = cfg.model.bbox_head.decoder.num_layers

    def remember(*_args, **_kwargs):
        before.update({n: p.detach().clone() for n, p in runner.model.named_parameters()})

    runner._hooks[0].before_train_epoch = remember
    runner.train()

    scalars = {key.removeprefix('train/'): value for key, value in runner.message_hub.log_scalars.items()}
    expected = LOSSES | ({'loss_mimic'} if cfg.model.bbox_head.loss_mimic else set())
    expected |= {f'd{i}.{loss}' for i in range(layers - 1) for loss in expected}
    assert {key for key in scalars if 'loss_' in key} == expected
    assert runner.iter == 2
    assert all(math.isfinite(scalars[key].current()) for key in expected)

    changed = {n for n, p in runner.model.named_parameters() if not torch.equal(p, before[n])}
    trainable = {n for n, p in runner.model.named_parameters() if p.requires_grad}
    assert changed <= trainable
    head = runner.model.bbox_head
    for part, classifier in (('hoi', head.hoi_classifier), ('obj', head.obj_classifier)):
        rows = 'fc' if isinstance(classifier, TextClassifier) else 'linear'
        name_of_rows = f'bbox_head.{part}_classifier.{rows}.weight'
        assert (name_of_rows in changed) == (name_of_rows in trainable)
    assert {'encoder.layers.0.ffn.layers.0.0.weight', 'backbone.layer4.0.downsample.0.weight'} <= changed

    figures = {key: value for key, value in scalars.items() if key.startswith('val/')}
    wanted = 'val/vcoco/scenario_1/mean_24' if 'vcoco' in name else 'val/hico/full'
    assert 0 <= figures[wanted].current() <= 1
    if cfg.model.bbox_head.get('zero_shot'):
        assert 'val/hico/unseen' in figures and 'val/hico/seen' in figures


@pytest.mark.parametrize('name', ['gen_vlkt_s_hico.py', 'gen_vlkt_s_vcoco.py'])
def test_evaluation_in_half_precision(name, toy_data, tiny_clip, tmp_path):
    """mmengine's fp16 loops, which on a CPU are bfloat16: the metrics get float32 as ever."""
    cfg = shrunk(name, toy_data, tiny_clip, tmp_path)
    cfg.val_cfg = dict(type='ValLoop', fp16=True)
    cfg.test_cfg = dict(type='TestLoop', fp16=True)
    runner = Runner.from_cfg(cfg)
    precisions = set()
    runner.model.backbone.register_forward_hook(lambda module, args, output: precisions.add(output[-1].dtype))
    for figures in (runner.val(), runner.test()):
        assert 0 <= figures['vcoco/scenario_1/mean_24' if 'vcoco' in name else 'hico/full'] <= 1
    assert precisions == {torch.bfloat16}
