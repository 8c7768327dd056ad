"""A model that was optimised for inference predicts the same and behaves as before."""

import copy
import pickle

import numpy as np
import pytest
import torch
from mmdet.registry import MODELS

from genvlkt_mmdet.apis import HOIInferencer
from genvlkt_mmdet.minihoi import render_minihoi
from genvlkt_mmdet.models import kernels, optimize_for_inference
from genvlkt_mmdet.models.layers import folding
from tests.test_models.tiny import batch, detector_cfg, sample

BACKBONE = dict(
    type='ResNet',
    depth=18,
    base_channels=4,
    out_indices=(3,),
    norm_cfg=dict(type='BN'),
    init_cfg=dict(type='Normal', layer=[]),
)


def small_model():
    """A detector on a small ResNet."""
    torch.manual_seed(0)
    return MODELS.build(detector_cfg(mimic=False, backbone=BACKBONE)).eval()


def predict(model, samples=None):
    samples = samples or [sample((64, 96)), sample((96, 64), seed=1)]
    with torch.no_grad():
        return [s.pred_hois for s in model(batch(*samples), samples, mode='predict')]


def assert_alike(ours, theirs, tolerance=1e-5):
    for one, other in zip(ours, theirs, strict=True):
        assert torch.equal(one.hoi_labels, other.hoi_labels) and torch.equal(one.query_ids, other.query_ids)
        torch.testing.assert_close(one.scores, other.scores, rtol=0, atol=tolerance)
        torch.testing.assert_close(one.human_boxes, other.human_boxes, rtol=0, atol=100 * tolerance)


def test_predictions_stay():
    model = small_model()
    expected = predict(model)
    assert_alike(predict(optimize_for_inference(model)), expected)


def test_loading_training_and_copies_fold_the_new_weights():
    model = optimize_for_inference(small_model())
    predict(model)
    weights = {name: value * 0.9 if value.is_floating_point() else value for name, value in model.state_dict().items()}
    plain = small_model()
    plain.load_state_dict(weights)
    expected = predict(plain)

    loaded = copy.deepcopy(model)
    loaded.load_state_dict(weights)
    assert_alike(predict(loaded), expected)

    trained = pickle.loads(pickle.dumps(model)).train()
    with torch.no_grad():
        for name, value in trained.state_dict().items():
            value.copy_(weights[name])
    assert_alike(predict(trained.eval()), expected)
    assert list(model.state_dict()) == list(plain.state_dict())


def test_half_precision_is_for_the_network_alone():
    model = small_model()
    expected = predict(model)
    half = optimize_for_inference(model, 'bfloat16')
    found = predict(half)
    assert all(result.scores.dtype == result.human_boxes.dtype == torch.float32 for result in found)
    best = [(result.scores[0].item(), other.scores[0].item()) for result, other in zip(found, expected, strict=True)]
    assert all(abs(one - other) < 0.05 for one, other in best)
    assert all(value.dtype != torch.bfloat16 for value in model.state_dict().values())


@pytest.mark.parametrize('dtype', ['float32', 'bfloat16'])
def test_the_compiled_network_has_no_graph_break_and_takes_any_size(dtype):
    # The backend `eager` runs the graph that `inductor` would compile; a break in it is an error.
    model, compiled = (optimize_for_inference(small_model(), dtype, compile) for compile in (False, 'eager'))
    samples = [sample((64, 96)), sample((96, 64), seed=1), sample((96, 128)), sample((160, 96))]
    for chosen in (samples[:2], samples[2:3], samples[3:], samples[1:3]):  # with and without padding
        found = predict(compiled, chosen)
        assert_alike(found, predict(model, chosen), 1e-5 if dtype == 'float32' else 0.02)
    copy.deepcopy(compiled).train()
    optimize_for_inference(compiled)
    assert compiled.bbox_head._compiled_call_impl is None


def test_positions_of_images_without_padding_are_kept():
    model = optimize_for_inference(small_model())
    first = predict(model, [sample((64, 96))])
    assert len(model._positions) == 1
    assert_alike(predict(model, [sample((64, 96))]), first, 0)
    predict(model, [sample((64, 96)), sample((96, 64), seed=1)])  # padded
    assert len(model._positions) == 1
    assert not pickle.loads(pickle.dumps(model))._positions


def test_an_open_vocabulary_is_set_on_an_optimised_model():
    phrases = [('ride', 'horse'), ('hold', 'cup')]
    model, plain = optimize_for_inference(small_model()), small_model()
    predict(model)
    for one in (model, plain):
        one.set_vocabulary(phrases)
    assert_alike(predict(model), predict(plain))


@pytest.mark.parametrize(
    ('dtype', 'sentence'), [('int8', 'float32, bfloat16, float16 or auto'), ('float16', "dtype='float16' needs a GPU")]
)
def test_impossible_precision_is_refused(dtype, sentence):
    with pytest.raises(ValueError, match=sentence):
        optimize_for_inference(small_model(), dtype)


def test_the_shipped_detector_gives_the_same_triplets_with_torchs_own_kernels(tmp_path, monkeypatch):
    render_minihoi(tmp_path, splits=('test',), sizes=dict(test=20), workers=1, progress=False)
    images = sorted(map(str, (tmp_path / 'images' / 'test').iterdir()))

    def triplets(**settings):
        inferencer = HOIInferencer(
            'gen_vlkt_tiny_minihoi',
            'genvlkt://gen_vlkt_tiny_minihoi.pth',
            device='cpu',
            show_progress=False,
            **settings,
        )
        return inferencer(images, pred_score_thr=0)['predictions']

    fast = triplets(dtype='float32')
    for module in (kernels, folding):
        monkeypatch.setattr(module, 'onednn_takes', lambda x: False)
    for ours, theirs in zip(fast, triplets(optimize=False), strict=True):
        assert [hoi['phrase'] for hoi in ours] == [hoi['phrase'] for hoi in theirs] and len(ours) > 20
        scores = [[hoi['score'] for hoi in hois] for hois in (ours, theirs)]
        np.testing.assert_allclose(*scores, rtol=0, atol=1e-5)
