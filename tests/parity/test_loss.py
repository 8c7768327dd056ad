"""The same outputs and annotations give the authors' matching, losses and gradients."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

from genvlkt_mmdet.converters import revert_official

from .conftest import configurations, load_json, load_npz

# Our names, theirs; their losses are unweighted, ours weighted.
TERMS = {
    'loss_hoi': 'loss_hoi_labels',
    'loss_obj': 'loss_obj_ce',
    'loss_human_bbox': 'loss_sub_bbox',
    'loss_object_bbox': 'loss_obj_bbox',
    'loss_human_iou': 'loss_sub_giou',
    'loss_object_iou': 'loss_obj_giou',
    'loss_mimic': 'loss_feat_mimic',
}
CASES = ('main', 'one_empty', 'all_empty', 'dense')
CONFIGURATIONS = ('hico_s', 'vcoco_s', 'hico_s_zs_rf')


def expected_losses(fixture, case):
    """Weighted losses by our names."""
    losses, weights = fixture['cases'][case]['losses'], fixture['weight_dict']
    ours = {theirs: name for name, theirs in TERMS.items()}
    result = {}
    for name, weight in weights.items():
        base, _, layer = name.rpartition('_')
        known = base in ours and layer.isdigit()
        result[f'd{layer}.{ours[base]}' if known else ours[name]] = losses[name] * weight
    return result


@pytest.mark.parametrize('case', CASES)
@configurations(*CONFIGURATIONS)
def test_matching_of_every_layer(reference, case):
    arrays = load_npz(f'loss_{reference.name}')
    targets = reference.targets(arrays, case)
    assigner = reference.model.bbox_head.assigner
    matches = assigner.assign_batch(reference.outputs, targets)
    layers = len(reference.outputs['hoi_logits'])
    for layer in range(layers):
        name = 'final' if layer == layers - 1 else f'aux{layer}'
        for image in range(len(targets)):
            prefix = f'{case}/match/{name}/img{image}/'
            here = (matches.layers == layer) & (matches.images == image)
            assert matches.queries[here].tolist() == arrays[prefix + 'src'].tolist()
            assert matches.pairs[here].tolist() == arrays[prefix + 'tgt'].tolist()
    costs = assigner.cost(reference.outputs, targets)[-1]
    for image, (cost, target) in enumerate(zip(costs, targets, strict=True)):
        expected = arrays.get(f'{case}/match/final/img{image}/cost')
        if expected is not None and expected.size:
            assert_allclose(cost[:, : len(target.object_labels)].numpy(), expected, rtol=0, atol=2e-3)


@pytest.mark.parametrize('case', CASES)
@configurations(*CONFIGURATIONS)
def test_losses_and_gradients(reference, case):
    arrays, fixture = load_npz(f'loss_{reference.name}'), load_json(f'loss_{reference.name}')
    model = reference.model
    model.zero_grad()
    if case == 'main':  # the way training goes
        losses = model(reference.main[0], reference.loss_samples(arrays, case), mode='loss')
    else:  # the head alone, on one forward pass for all
        losses = model.bbox_head.loss_by_feat(
            reference.outputs, reference.targets(arrays, case), reference.clip_images(case)
        )
    expected = expected_losses(fixture, case)
    assert set(losses) == set(expected)
    for name, value in expected.items():
        assert losses[name].item() == pytest.approx(value, rel=1e-4, abs=1e-6), name
    total = sum(losses.values())
    assert total.item() == pytest.approx(fixture['cases'][case]['total'], rel=1e-4)

    total.backward(retain_graph=True)
    check_gradients(model, arrays, fixture, case)


def check_gradients(model, arrays, fixture, case):
    grads, _ = revert_official({n: p.grad for n, p in model.named_parameters() if p.grad is not None})
    norms = fixture['cases'][case]['grad_norms']
    structurally_zero = set(fixture['structurally_zero_grads'])
    assert set(grads) == set(norms)
    for name, norm in norms.items():
        if name not in structurally_zero:
            rel = 1e-2 if name.startswith('backbone') else 5e-3
            assert grads[name].norm().item() == pytest.approx(norm, rel=rel, abs=1e-6), name
    total = torch.stack([grad.norm() for grad in grads.values()]).norm().item()
    assert total == pytest.approx(fixture['cases'][case]['total_grad_norm'], rel=5e-3)

    prefix = f'{case}/grad/'
    for key in (key for key in arrays if key.startswith(prefix)):
        name, _, columns = key.removeprefix(prefix).partition('[')
        if name in structurally_zero:
            continue
        grad = grads[name].numpy()
        if columns:  # 'name[:, ::16]'
            grad = grad[:, :: int(columns.rstrip(']').rpartition(':')[2])]
        expected = arrays[key]
        assert np.linalg.norm(grad.ravel() - expected.ravel()) <= 1e-2 * np.linalg.norm(expected) + 1e-6, key
