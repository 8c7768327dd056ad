"""The same weights and images give the authors' features, position encoding, memory and outputs of every layer."""

from copy import deepcopy

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

from genvlkt_mmdet.models import optimize_for_inference

from .conftest import configurations, load_npz

# Tolerances of the fixtures' README, section 4; they follow the authors' own deviation between float32 and float64.
BASE = dict(c5=1e-3, memory=1e-3, logits=2e-3, boxes=5e-4)
LARGE = dict(c5=1e-2, memory=2e-2, logits=4e-2, boxes=8e-3)
OUTPUTS = {
    'hoi_logits': ('pred_hoi_logits', 'logits'),
    'obj_logits': ('pred_obj_logits', 'logits'),
    'human_boxes': ('pred_sub_boxes', 'boxes'),
    'object_boxes': ('pred_obj_boxes', 'boxes'),
    'hoi_embeds': ('inter_memory', 'logits'),
}


def tolerances(reference):
    return LARGE if reference.name.endswith('_l') else BASE


def check_encoder(reference, fixture, batch, encoded, tol):
    images, samples = batch
    with torch.no_grad():
        c5 = reference.model.backbone(images)[-1].numpy()
    assert_allclose(c5[:, :: int(fixture['c5_channel_stride'])], fixture['c5'], rtol=tol['c5'], atol=tol['c5'])
    assert_allclose([c5.sum(dtype=np.float64), np.abs(c5).sum(dtype=np.float64)], fixture['c5/sum'], rtol=tol['c5'])
    mask = encoded['memory_mask'].reshape(fixture['c5_mask'].shape).numpy()
    assert (mask == fixture['c5_mask']).all()

    def as_map(tokens):
        return tokens.detach().transpose(1, 2).reshape(fixture['memory'].shape).numpy()

    assert_allclose(as_map(encoded['memory_pos']), fixture['pos'], rtol=0, atol=1e-5)
    # nothing reads the memory at padding, but the authors' code computes it as we do
    assert_allclose(as_map(encoded['memory']), fixture['memory'], rtol=tol['memory'], atol=tol['memory'])


def check_outputs(fixture, outputs, tol):
    layers, stride = len(outputs['hoi_logits']), int(fixture['aux_query_stride'])
    for ours, (theirs, kind) in OUTPUTS.items():
        values = outputs[ours].detach().numpy()
        assert_allclose(values[-1], fixture[theirs], rtol=0, atol=tol[kind], err_msg=theirs)
        for layer in range(layers - 1):
            name = f'aux{layer}/{theirs}'
            assert_allclose(values[layer][:, ::stride], fixture[name], rtol=0, atol=tol[kind], err_msg=name)
            # all queries, through their sums
            sums = [values[layer].sum(dtype=np.float64), np.abs(values[layer]).sum(dtype=np.float64)]
            assert_allclose(sums, fixture[f'{name}/sum'], rtol=0, atol=tol[kind] * values[layer].size ** 0.5)
    assert f'aux{layers - 1}/pred_hoi_logits' not in fixture


@configurations('hico_s', 'vcoco_s', 'hico_s_zs_rf', 'hico_l')
class TestMainImages:
    def test_backbone_position_encoding_and_memory(self, reference):
        check_encoder(reference, reference.forward, reference.main, reference.encoded, tolerances(reference))

    def test_outputs_of_every_layer(self, reference):
        check_outputs(reference.forward, reference.outputs, tolerances(reference))

    @pytest.mark.parametrize('optimized', [False, True])
    def test_tensor_mode_gives_the_logits_of_all_classes(self, reference, optimized):
        model = reference.model
        if optimized:
            model = optimize_for_inference(deepcopy(model), 'float32')
        with torch.no_grad():
            outputs = model(*reference.main, mode='tensor')
        zero_shot = 'eval/pred_hoi_logits' in reference.forward
        name = 'eval/pred_hoi_logits' if zero_shot else 'pred_hoi_logits'
        tol = tolerances(reference)
        assert_allclose(outputs['hoi_logits'][-1].numpy(), reference.forward[name], rtol=0, atol=tol['logits'])
        for ours, (theirs, kind) in list(OUTPUTS.items())[1:]:
            assert_allclose(
                outputs[ours][-1].numpy(), reference.forward[theirs], rtol=0, atol=tol[kind], err_msg=theirs
            )
        assert (outputs['hoi_logits'].shape == reference.outputs['hoi_logits'].shape) != zero_shot


@configurations('hico_s', 'vcoco_s', 'hico_s_zs_rf')
def test_decoder_features(reference):
    with torch.no_grad():
        head, encoded = reference.model.bbox_head, reference.encoded
        human, obj = head._decode_instances(**encoded_args(encoded))
        interactions = head.interaction_decoder((human + obj) / 2, **encoded)
    for ours, theirs in ((human, 'h_hs'), (obj, 'o_hs'), (interactions, 'inter_hs')):
        assert_allclose(ours[-1].numpy(), reference.forward[theirs], rtol=0, atol=2e-3, err_msg=theirs)


def encoded_args(encoded):
    return {key: encoded[key] for key in ('memory', 'memory_pos', 'memory_mask')}


@configurations('hico_s')
def test_odd_image_sizes(reference):
    fixture = load_npz('forward_hico_s_odd')
    batch = reference.batch(fixture, 'odd')
    with torch.no_grad():
        encoded = reference.model.encode(*batch)
        outputs = reference.model.bbox_head(**encoded)
    check_encoder(reference, fixture, batch, encoded, BASE)
    check_outputs(fixture, outputs, BASE)
