"""The configs of HOICLIP: what they build at their own size, and two iterations of training at a small one."""

import math

import pytest
import torch
import yaml
from mmdet.registry import MODELS
from mmengine.config import Config
from mmengine.runner import Runner

from .conftest import CONFIGS, shrunk
from .test_structure import ZERO_SHOT
from .test_training import LOSSES

NAMES = ['hoiclip_hico', 'hoiclip_vcoco', *(f'hoiclip_hico_{split}' for split in ZERO_SHOT)]
TINY = ['hoiclip_tiny_minihoi', *(f'zero_shot/hoiclip_tiny_minihoi_{split}' for split in ZERO_SHOT)]


def config(name):
    return Config.fromfile(CONFIGS / ('minihoi' if 'minihoi' in name else 'hoiclip') / f'{name}.py')


def test_every_config_is_there_and_listed_for_mim():
    assert {path.stem for path in (CONFIGS / 'hoiclip').glob('hoiclip_*.py')} >= set(NAMES)
    index = yaml.safe_load((CONFIGS.parent / 'model-index.yml').read_text())
    assert {f'configs/hoiclip/{name}.py' for name in NAMES} <= {model['Config'] for model in index['Models']}


@pytest.mark.parametrize('name', NAMES)
def test_sizes_and_frozen_parts(name):
    cfg = config(name)
    with torch.device('meta'):
        head = MODELS.build(cfg.model).bbox_head
    hois, objects, verbs, weight = (263, 82, 29, 0.1) if 'vcoco' in name else (600, 81, 117, 0.5)
    zero_shot, seen = ZERO_SHOT.get(name.removeprefix('hoiclip_hico_'), (None, hois))
    classifier = head.hoi_classifier
    assert classifier.fc.weight.shape == (seen, 512) and classifier.fc.bias.shape == (seen,)
    assert classifier.verb_table.shape == (verbs, seen) and classifier.verb_fc.weight.shape == (verbs, 512)
    assert classifier.verb_weight == weight
    if zero_shot:
        assert classifier.eval_fc.weight.shape == (600, 512) and classifier.eval_fc.bias is None
        assert classifier.eval_verb_table.shape == (117, 600)
    assert head.obj_classifier.fc.weight.shape == (objects, 512)
    frozen = {n for n, p in head.named_parameters() if not p.requires_grad and not n.startswith('clip.')}
    assert all('_classifier.fc.' in n or '_classifier.eval_fc.' in n for n in frozen) and len(frozen) == 4 + bool(
        zero_shot
    )
    layer = head.fusion_decoder.layers[0]
    assert (layer.embed_dims, layer.self_attn.num_heads, layer.cross_attn.attn.dropout) == (768, 8, 0.1)
    assert layer.ffn.layers[0][0].out_features == 2048 and len(head.fusion_decoder.layers) == 3
    assert head.loss_mimic is None and head.clip_prior is None
    assert [loader.dataset.get('zero_shot') for loader in (cfg.train_dataloader, cfg.test_dataloader)] == [
        zero_shot
    ] * 2
    assert cfg.optim_wrapper.paramwise_cfg.custom_keys == dict(backbone=dict(lr_mult=0.1))


@pytest.mark.parametrize('name', [*NAMES, *TINY])
def test_every_pipeline_makes_the_image_of_clip(name):
    """After the resize, and after the flip of test-time augmentation."""
    cfg = config(name)
    for loader in (cfg.train_dataloader, cfg.val_dataloader, cfg.test_dataloader):
        assert [step.type for step in loader.dataset.pipeline][-2:] == ['MakeCLIPImage', 'PackHOIInputs']
    views = cfg.tta_pipeline[-1].transforms
    assert [group[0].type for group in views] == ['HOIResizeShortSide', 'RandomFlip', 'MakeCLIPImage', 'PackHOIInputs']


@pytest.mark.parametrize('name', ['hoiclip/hoiclip_hico_uo.py', 'hoiclip/hoiclip_vcoco.py'])
def test_two_iterations_and_an_evaluation(name, toy_data, tiny_clip, tmp_path):
    cfg = shrunk(name, toy_data, tiny_clip, tmp_path)
    cfg.train_dataloader.batch_size = 2
    runner = Runner.from_cfg(cfg)
    runner.train()
    scalars = {key.removeprefix('train/'): value for key, value in runner.message_hub.log_scalars.items()}
    expected = LOSSES | {f'd{i}.{loss}' for i in range(2) for loss in LOSSES}
    assert {key for key in scalars if 'loss_' in key} == expected
    assert all(math.isfinite(scalars[key].current()) for key in expected)
    own = runner.model.bbox_head.clip  # is as it was
    source = own.source.load_model().visual.state_dict()
    assert all(torch.equal(value, source[key]) for key, value in own.visual.state_dict().items())
    figures = {key: value for key, value in scalars.items() if key.startswith('val/')}
    assert 0 <= figures['val/vcoco/scenario_1/mean_24' if 'vcoco' in name else 'val/hico/unseen'].current() <= 1
