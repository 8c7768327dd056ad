"""Each config trains for two iterations and evaluates, at a small size."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from mmdet.registry import MODELS
from mmengine.runner import Runner

from genvlkt_mmdet.apis.potential_pairs import detector_config
from genvlkt_mmdet.datasets.potential_pairs import PotentialPairs, write_potential_pairs
from genvlkt_mmdet.models.layers import TextClassifier
from genvlkt_mmdet.vocabulary import load_vocabulary

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


@pytest.mark.parametrize('split', ['rf_uc', 'nf_uc', 'uo', 'uv'])
def test_potential_pairs_of_hico_det(split, toy_data, tiny_clip, tmp_path):
    """An unseen class that only a potential pair has reaches the loss."""
    cfg = shrunk(f'zero_shot/gen_vlkt_s_hico_{split}_potential.py', toy_data, tiny_clip, tmp_path)
    dataset, vocabulary = cfg.train_dataloader.dataset, load_vocabulary('hico')
    hoi = vocabulary.unseen(dataset.zero_shot)[0]
    similarities = np.full((1, 600), -np.inf, dtype=np.float32)
    similarities[0, hoi] = 0.3
    boxes = np.array([[4, 6, 30, 44]], dtype=np.float32), np.array([[2, 2, 12, 10]], dtype=np.float32)
    found = PotentialPairs(*boxes, np.array([vocabulary.hoi_objects[hoi]]), similarities)
    dataset.potential_pairs.file = str(tmp_path / 'pairs.json')
    settings = {key: value for key, value in dataset.potential_pairs.items() if key != 'file'}
    write_potential_pairs(tmp_path / 'pairs.json', {f'{i}.png': found for i in range(5)}, 600, settings)
    cfg.val_cfg = cfg.val_dataloader = cfg.val_evaluator = None
    runner = Runner.from_cfg(cfg)
    targets = []
    loss_by_feat = runner.model.bbox_head.loss_by_feat
    runner.model.bbox_head.loss_by_feat = lambda outputs, pairs, *others: (
        targets.extend(pairs),
        loss_by_feat(outputs, pairs, *others),
    )[1]
    runner.train()
    assert any(pairs.hoi_labels.shape[1] == 600 and pairs.hoi_labels[:, hoi].any() for pairs in targets)
    losses = [value.current() for key, value in runner.message_hub.log_scalars.items() if 'loss' in key]
    assert losses and all(map(math.isfinite, losses))


def test_the_detector_of_hico_det_builds():
    cfg = detector_config('mmdet::detr/detr_r50_8xb2-150e_coco.py')
    assert Path(cfg.filename).is_file() and cfg.model.bbox_head.num_classes == 80
    with torch.device('meta'):
        MODELS.build(cfg.model)


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
