"""The attention maps against the formula, in plain and optimised models, with and without padding."""

import pytest
import torch
from mmdet.registry import MODELS
from torch.nn.functional import multi_head_attention_forward

from genvlkt_mmdet.models import optimize_for_inference
from tests.test_models.test_optimization import BACKBONE, assert_alike
from tests.test_models.tiny import CHANNELS, batch, detector_cfg, sample

HEADS, QUERIES = 4, 6
SIZES = ((64, 96), (96, 64))


def detector(**kwargs):
    torch.manual_seed(0)
    return MODELS.build(detector_cfg(mimic=False, backbone=BACKBONE, **kwargs)).eval()


def samples(padded):
    return [sample(SIZES[0]), sample(SIZES[1], seed=1)] if padded else [sample(SIZES[0])]


def softmax_formula(model, inputs, data_samples):
    """Weights of both decoders by softmax(QK^T / sqrt(d)), from what goes into the last cross-attention of each."""
    seen = []
    blocks = [d.layers[-1].cross_attn for d in (model.bbox_head.instance_decoder, model.bbox_head.interaction_decoder)]
    hooks = [b.register_forward_pre_hook(lambda b, _, k: seen.append((b, k)), with_kwargs=True) for b in blocks]
    with torch.no_grad():
        model(inputs, data_samples, mode='predict')
    for hook in hooks:
        hook.remove()
    maps = []
    for block, given in seen:
        query, key = (given[name] + given[f'{name}_pos'] for name in ('query', 'key'))
        weight, bias = block.attn.in_proj_weight.float(), block.attn.in_proj_bias.float()
        queries = query @ weight[:CHANNELS].T + bias[:CHANNELS]
        keys = key @ weight[CHANNELS : 2 * CHANNELS].T + bias[CHANNELS : 2 * CHANNELS]
        mean = 0
        for head in range(HEADS):
            part = slice(head * CHANNELS // HEADS, (head + 1) * CHANNELS // HEADS)
            scores = queries[..., part] @ keys[..., part].transpose(1, 2) / (CHANNELS / HEADS) ** 0.5
            if given['key_padding_mask'] is not None:
                scores[given['key_padding_mask'][:, None].expand_as(scores)] = -torch.inf
            mean = mean + scores.softmax(-1) / HEADS
        maps.append(mean)
    instance, interaction = maps
    return (instance[:, :QUERIES] + instance[:, QUERIES:]) / 2, interaction


@pytest.mark.parametrize(
    ('form', 'padded'),
    [('plain', False), ('plain', True), ('optimised', False), ('optimised', True), ('half', True), ('compiled', True)],
)
def test_maps_are_the_softmax_of_queries_and_keys(form, padded):
    model = detector()
    if form == 'half':
        model.bfloat16()
    inputs, data_samples = batch(*samples(padded)), samples(padded)
    expected = softmax_formula(model, inputs, data_samples)
    if form in ('optimised', 'compiled'):
        optimize_for_inference(model, compile='eager' if form == 'compiled' else False)
    predicted, *maps = model.predict_with_attention(inputs, data_samples)
    cells = (3, 3) if padded else (2, 3)
    for attention, formula in zip(maps, expected, strict=True):
        assert attention.shape == (len(inputs), QUERIES, *cells) and not attention.requires_grad
        torch.testing.assert_close(attention.flatten(2), formula, rtol=1e-4, atol=1e-6)
        torch.testing.assert_close(attention.sum((2, 3)), torch.ones(len(inputs), QUERIES))
        if padded:  # images of 2 x 3 and 3 x 2 cells in a batch of 3 x 3
            assert (attention[0, :, 2:] == 0).all() and (attention[1, :, :, 2:] == 0).all()
            assert (attention[0, :, :2] > 0).all() and (attention[1, :, :, :2] > 0).all()
    with torch.no_grad():
        assert_alike(
            [p.pred_hois for p in predicted], [s.pred_hois for s in model(inputs, samples(padded), mode='predict')]
        )


def test_torch_computes_the_same_weights():
    """The block against torch.nn.functional, which has its own weights of all heads."""
    block = detector().bbox_head.interaction_decoder.layers[0].cross_attn
    query, key = torch.rand(2, 5, CHANNELS), torch.rand(2, 7, CHANNELS)
    mask = torch.zeros(2, 7, dtype=torch.bool)
    mask[1, 4:] = True
    attn = block.attn
    weights = multi_head_attention_forward(
        query.transpose(0, 1),
        key.transpose(0, 1),
        key.transpose(0, 1),
        CHANNELS,
        HEADS,
        attn.in_proj_weight,
        attn.in_proj_bias,
        None,
        None,
        False,
        0.0,
        attn.out_proj.weight,
        attn.out_proj.bias,
        key_padding_mask=mask,
    )[1]
    torch.testing.assert_close(block.cross_weights(query, key, key_padding_mask=mask), weights)


def test_nothing_stays_behind():
    model = optimize_for_inference(detector(), compile='eager')
    compiled = model.bbox_head._compiled_call_impl
    model.predict_with_attention(batch(*samples(True)), samples(True))
    assert not any(m._forward_pre_hooks or m._forward_hooks for m in model.modules())
    assert compiled is not None and model.bbox_head._compiled_call_impl is compiled


def test_a_head_without_pge_has_one_instance_query_per_pair():
    model = detector(type='VerbGENHead', hoi_text=False, without='p-GE', test_cfg=dict(type='TopHOITriplets'))
    inputs, data_samples = batch(*samples(False)), samples(False)
    _, instance, interaction = model.predict_with_attention(inputs, data_samples)
    assert instance.shape == interaction.shape == (1, QUERIES, 2, 3)
    torch.testing.assert_close(instance.sum((2, 3)), torch.ones(1, QUERIES))
