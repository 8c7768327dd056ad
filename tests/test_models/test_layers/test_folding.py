"""Folded convolutions compute what the backbone computes."""

import pytest
import torch
from mmdet.registry import MODELS
from torch import nn

from genvlkt_mmdet.models.layers.folding import FoldedConv, folded, forward_with_frozen_norm, has_frozen_norm


def resnet(depth=18, **settings) -> nn.Module:
    """A ResNet whose batch norms all differ."""
    torch.manual_seed(0)
    norm = dict(type='BN', requires_grad=False)
    model = MODELS.build(dict(type='ResNet', depth=depth, out_indices=(1, 3), norm_cfg=norm, **settings))
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
            nn.init.uniform_(module.weight, 0.5, 1)
            nn.init.normal_(module.bias, 0, 0.1)
    model.eval()
    return model


@pytest.mark.parametrize(
    'settings', [{}, dict(depth=50), dict(depth=50, avg_down=True), dict(deep_stem=True), dict(depth=50, style='caffe')]
)
@pytest.mark.parametrize('size', [(64, 96), (65, 97)])
@torch.no_grad()
def test_a_folded_resnet_gives_the_same_features(settings, size):
    model = resnet(**settings)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    images = torch.randn(2, 3, *size)
    for ours, theirs in zip(folded(model)(images), model(images), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5 * theirs.abs().max().item())
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


@torch.no_grad()
def test_without_onednn_a_convolution_gives_the_same(monkeypatch):
    torch.manual_seed(0)
    conv = nn.Conv2d(4, 6, 3, stride=2, padding=1)
    x = torch.randn(2, 4, 9, 9)
    residual = torch.randn(2, 6, 5, 5)
    expected = (conv(x) + residual).relu()
    torch.testing.assert_close(FoldedConv(conv, relu=True)(x, residual.clone()), expected)
    monkeypatch.setattr(torch.backends.mkldnn, 'is_available', lambda: False)
    torch.testing.assert_close(FoldedConv(conv, relu=True)(x, residual.clone()), expected)


@torch.no_grad()
def test_other_backbones_are_folded_where_they_can_be():
    torch.manual_seed(0)
    model = MODELS.build(
        dict(
            type='SwinTransformer',
            embed_dims=8,
            depths=(1, 1, 1, 1),
            num_heads=(1, 1, 2, 2),
            window_size=4,
            out_indices=(3,),
        )
    )
    model.eval()
    images = torch.randn(1, 3, 64, 64)
    torch.testing.assert_close(folded(model)(images)[0], model(images)[0], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    'settings', [{}, dict(depth=50), dict(depth=50, avg_down=True), dict(depth=50, with_cp=True), dict(frozen_stages=1)]
)
def test_frozen_norm_is_folded_in_training(settings):
    settings = dict(frozen_stages=-1, norm_eval=True) | settings
    model = resnet(**settings).requires_grad_(True)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.requires_grad_(False)
    model.train()
    assert has_frozen_norm(model)
    images = torch.randn(2, 3, 64, 96)

    def features_and_gradients(forward):
        model.zero_grad()
        outputs = forward(images)
        sum(output.square().mean() for output in outputs).backward()
        return [*outputs], {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}

    features, gradients = features_and_gradients(lambda x: forward_with_frozen_norm(model, x))
    expected, expected_gradients = features_and_gradients(model)
    assert set(gradients) == set(expected_gradients)
    assert ('conv1.weight' in gradients) == (settings['frozen_stages'] < 0)
    for ours, theirs in [*zip(features, expected, strict=True)] + [
        (gradients[n], expected_gradients[n]) for n in gradients
    ]:
        torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-5 * theirs.abs().max().item())


@pytest.mark.parametrize(
    'settings', [dict(norm_eval=False), dict(deep_stem=True), dict(norm_cfg=dict(type='BN', requires_grad=True))]
)
def test_other_backbones_are_not_folded_in_training(settings):
    cfg = dict(type='ResNet', depth=18, norm_cfg=dict(type='BN', requires_grad=False), norm_eval=True) | settings
    model = MODELS.build(cfg)
    model.train()  # mmdet's backbones return nothing here
    assert not has_frozen_norm(model)


def test_a_backbone_with_hooks_is_not_folded_in_training():
    model = resnet(norm_eval=True)
    model.train()
    assert has_frozen_norm(model)
    handle = model.layer1.register_forward_hook(lambda *args: None)
    assert not has_frozen_norm(model)
    handle.remove()
    assert has_frozen_norm(model)


@torch.no_grad()
@pytest.mark.parametrize('dtype', [torch.float32, torch.bfloat16])
@pytest.mark.parametrize('size', [(32, 32), (33, 1)])
def test_tiny_feature_maps(dtype, size):
    if dtype == torch.bfloat16 and not torch.ops.mkldnn._is_mkldnn_bf16_supported():
        pytest.skip('this CPU has no instructions for bfloat16')
    model = resnet()
    images = torch.randn(1, 3, *size).contiguous(memory_format=torch.channels_last)
    expected = model(images)
    tolerance = 1e-5 if dtype == torch.float32 else 0.05
    for ours, theirs in zip(folded(model).to(dtype)(images.to(dtype)), expected, strict=True):
        scale = theirs.abs().max().item()
        torch.testing.assert_close(ours.float(), theirs, rtol=1e-4, atol=tolerance * scale)


@torch.no_grad()
def test_neither_input_nor_feature_maps_are_overwritten():
    model = resnet(50)
    images = torch.randn(1, 3, 64, 96).contiguous(memory_format=torch.channels_last)
    before = images.clone()
    first = folded(model)
    kept = [feature.clone() for feature in first(images)]
    for ours, theirs, again in zip(first(images), model(images), kept, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5 * theirs.abs().max().item())
        assert torch.equal(ours, again)
    assert torch.equal(images, before)
