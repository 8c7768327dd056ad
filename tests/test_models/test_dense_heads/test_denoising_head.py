"""A head that is trained with noisy queries of annotated pairs."""

import copy

import pytest
import torch
from mmdet.registry import MODELS
from mmdet.structures.bbox import bbox_cxcywh_to_xyxy
from mmengine.runner.checkpoint import load_state_dict
from torchvision.ops import generalized_box_iou

from genvlkt_mmdet.converters.publish import publish_checkpoint
from genvlkt_mmdet.engine.checkpoints import load_weights
from tests.test_models.tiny import CHANNELS, HICO_LIKE, VCOCO_LIKE, build_detector, head_cfg, sample

NO_NOISE = dict(box_noise_scale=0.0, label_noise_scale=0.0)
GROUPS = dict(group_cfg=dict(dynamic=False, num_groups=2))
PARTS = ('loss_hoi', 'loss_obj', 'loss_human_bbox', 'loss_object_bbox', 'loss_human_iou', 'loss_object_iou')


def build(seed=0, **kwargs):
    torch.manual_seed(seed)
    return MODELS.build(head_cfg(**dict(dict(denoising=GROUPS), **kwargs)))


def memory(batch, dtype=torch.float32):
    generator = torch.Generator().manual_seed(1)
    mask = torch.zeros(batch, 9, dtype=torch.bool)
    mask[-1, 6:] = True
    values = (torch.randn(batch, 9, CHANNELS, generator=generator, dtype=torch.float64).to(dtype) for _ in range(2))
    return *values, mask


def samples(*counts, **kwargs):
    return [sample((60, 90), count, seed=seed, **kwargs) for seed, count in enumerate(counts)]


def noisy_pairs(head, batch):
    return head.denoising([head._relative_pairs(s) for s in batch], head.obj_classifier.class_weights[0])


def test_all_other_weights_and_random_numbers_are_as_without():
    plain, torch_state = build(denoising=None), torch.get_rng_state()
    head = build()
    own = {
        f'denoising.{part}.{kind}'
        for part in ('human_box', 'object_box', 'object_label')
        for kind in ('weight', 'bias')
    }
    assert set(head.state_dict()) - set(plain.state_dict()) == own
    assert all(torch.equal(head.state_dict()[name], value) for name, value in plain.state_dict().items())
    torch.set_rng_state(torch_state)
    plain.train().loss(*memory(2), samples(2, 1))
    assert torch.equal(torch.get_rng_state(), torch_state)  # without noisy queries, a loss draws nothing


@torch.no_grad()
def test_matching_queries_see_nothing_of_noisy_ones():
    head = build().double().eval()
    batch = samples(2, 3)
    args = memory(2, torch.float64)
    first, second = (head(*args, noisy=noisy_pairs(head, batch)) for _ in range(2))
    plain = head(*args)
    for name, values in plain.items():
        matching = first[name][:, :, :6]
        assert first[name].shape[2] == 6 + 2 * 3
        assert torch.equal(matching, second[name][:, :, :6])  # bit for bit, whatever the noise
        assert not torch.equal(first[name][:, :, 6:], second[name][:, :, 6:])
        torch.testing.assert_close(matching, values, rtol=1e-12, atol=1e-13)  # other shapes can round differently


@torch.no_grad()
def test_a_group_sees_neither_other_groups_nor_padding():
    head = build(denoising=dict(GROUPS, **NO_NOISE)).double().eval()
    args = memory(2, torch.float64)
    noisy = noisy_pairs(head, samples(1, 3))  # image 0 has two queries of padding in each group of three
    out = head(*args, noisy=noisy)
    changed = noisy._replace(human_pos=noisy.human_pos.clone(), object_pos=noisy.object_pos.clone())
    for pos in (changed.human_pos, changed.object_pos):
        pos[0, 1:3] += 5  # padding of the first group
        pos[:, 3:] -= 3  # the whole second group
    other = head(*args, noisy=changed)
    for name, values in out.items():
        assert torch.equal(values[:, 0, 6:7], other[name][:, 0, 6:7])
        assert torch.equal(values[:, 1, 6:9], other[name][:, 1, 6:9])
        assert not torch.equal(values[:, :, 9:], other[name][:, :, 9:])


@pytest.mark.parametrize('negatives', [False, True])
def test_losses_by_independent_formula(negatives):
    """Zero noise: the losses of each layer, query by query from the pair that it was made of."""
    head = build(vocabulary=VCOCO_LIKE, denoising=dict(GROUPS, **NO_NOISE, negatives=negatives, loss_weight=0.7))
    batch = samples(3, 1, num_hois=6)
    batch[0].gt_pairs.object_labels[1] = 3  # 'person only': no object
    batch[0].gt_pairs.object_boxes[1] = 0
    targets = [head._relative_pairs(s) for s in batch]
    noisy = noisy_pairs(head, batch)
    outputs = head(*memory(2), seen_only=True, noisy=noisy)
    losses = head.loss_by_feat(outputs, targets, noisy=noisy)
    kinds = 1 + negatives
    for layer in range(2):
        hoi = obj = weights = 0.0
        boxes = dict.fromkeys(('human_bbox', 'object_bbox', 'human_iou', 'object_iou'), 0.0)
        count = positives = objects = 0
        for image, target in enumerate(targets):
            for copy_index in range(2 * kinds):
                for pair in range(len(target.object_labels)):
                    query = (layer, image, 6 + 3 * copy_index + pair)
                    positive = copy_index % kinds == 0
                    label = target.hoi_labels[pair] * positive
                    p = outputs['hoi_logits'][query].sigmoid().clamp(1e-4, 1 - 1e-4)
                    hoi += -0.5 * (label * (1 - p) ** 2 * p.log() + (1 - label) * p**2 * (1 - p).log()).sum()
                    count += label.sum()
                    kind = target.object_labels[pair] if positive else 4
                    weight = 1.0 if positive else 0.1
                    obj -= weight * outputs['obj_logits'][query].log_softmax(-1)[kind]
                    weights += weight
                    positives += positive
                    has_object = target.object_labels[pair] != 3
                    objects += positive and has_object
                    for part, there in (('human', positive), ('object', positive and has_object)):
                        if there:
                            one, other = outputs[f'{part}_boxes'][query], target[f'{part}_boxes'][pair]
                            boxes[f'{part}_bbox'] += 2.5 * (one - other).abs().sum()
                            corners = [bbox_cxcywh_to_xyxy(b[None]) for b in (one, other)]
                            boxes[f'{part}_iou'] += 1 - generalized_box_iou(*corners).squeeze()
        expected = dict(loss_hoi=2 * hoi / count, loss_obj=obj / weights)
        for name, value in boxes.items():
            expected[f'loss_{name}'] = value / (positives if 'human' in name else objects + 1e-4)
        prefix = 'd0.' if layer == 0 else ''
        for name in PARTS:
            torch.testing.assert_close(losses[f'{prefix}dn_{name}'], 0.7 * expected[name], rtol=1e-4, atol=1e-5)


def test_losses_of_matching_queries_are_those_without():
    head, plain = build().train(), build(denoising=None).train()
    batch = samples(2, 1)
    ours, theirs = head.loss(*memory(2), batch), plain.loss(*memory(2), batch)
    assert set(ours) - set(theirs) == {f'{prefix}dn_{name}' for prefix in ('', 'd0.') for name in PARTS}
    for name, value in theirs.items():
        torch.testing.assert_close(ours[name], value, rtol=1e-4, atol=1e-5)
    assert set(head.eval().loss(*memory(2), batch)) == set(theirs)  # a validation loss has no noise


@pytest.mark.parametrize('counts', [(2, 0), (0, 0)])
@pytest.mark.parametrize('negatives', [False, True])
def test_images_without_pairs(counts, negatives):
    head = build(denoising=dict(GROUPS, negatives=negatives)).train()
    losses = head.loss(*memory(2), samples(*counts))
    noisy = {name: value for name, value in losses.items() if 'dn_' in name}
    assert len(noisy) == 12 and all(value.isfinite() for value in losses.values())
    assert all(value == 0 for value in noisy.values()) == (sum(counts) == 0)
    sum(losses.values()).backward()  # DDP needs a gradient for every weight in every step
    assert all(p.grad is not None and p.grad.isfinite().all() for p in head.parameters())


def test_mixed_precision_losses_are_float_and_near():
    losses = []
    for enabled in (False, True):
        head = build().train()
        torch.manual_seed(3)  # the same noise
        with torch.autocast('cpu', torch.bfloat16, enabled=enabled):
            losses.append(head.loss(*memory(2), samples(2, 1)))
    for name, value in losses[0].items():
        assert losses[1][name].dtype == torch.float32
        torch.testing.assert_close(losses[1][name], value, rtol=0.1, atol=0.05)


def test_gradients_reach_the_guides_but_no_class_weight_through_the_label():
    head = build().train()
    noisy = noisy_pairs(head, samples(2, 1))
    noisy.object_pos.sum().backward()
    assert head.denoising.object_label.weight.grad.abs().sum() > 0
    assert all(p.grad is None for p in head.obj_classifier.parameters())
    head.zero_grad()
    losses = head.loss(*memory(2), samples(2, 1))
    sum(value for name, value in losses.items() if 'dn_' in name).backward()
    for name in (
        'pair_embed.weight',
        'denoising.human_box.weight',
        'denoising.object_box.weight',
        'hoi_classifier.fc.weight',
    ):
        assert head.get_parameter(name).grad.abs().sum() > 0, name
    # What is learned about human_embed comes from the matching queries, which noisy ones see.
    assert head.human_embed.weight.grad.abs().sum() > 0


def test_zero_shot_training_knows_the_objects_of_seen_classes_only():
    vocabulary = dict(HICO_LIKE, splits=dict(part=[i for i, hoi in enumerate(HICO_LIKE['hois']) if hoi['object'] == 2]))
    head = build(vocabulary=vocabulary, zero_shot='part', denoising=dict(GROUPS, label_noise_scale=2)).train()
    assert 2 not in head.denoising.object_labels.tolist()
    assert head.denoising.object_labels.tolist() == sorted(
        {head.vocabulary.hoi_objects[i] for i in head.vocabulary.seen('part')}
    )
    batch = samples(2, 1, num_hois=len(head.vocabulary.seen('part')))
    for one in batch:
        one.gt_pairs.object_labels.clamp_(max=1)
    assert all(value.isfinite() for value in head.loss(*memory(2), batch).values())


def test_verb_classes_have_noisy_queries_with_both_guided_embeddings():
    cfg = dict(type='VerbGENHead', hoi_text=False, obj_text=False)
    head = build(**cfg).train()
    losses = head.loss(*memory(2), samples(2, 1))
    assert losses['dn_loss_hoi'] > 0 and losses['d0.dn_loss_hoi'].isfinite()
    for without in ('p-GE', 'i-GE'):
        with pytest.raises(ValueError, match=f"noisy queries need both guided embeddings, but without='{without}'"):
            build(**cfg, without=without)
        build(**cfg, without=without, denoising=None)


@torch.no_grad()
def test_prediction_runs_nothing_of_it(monkeypatch):
    head, plain = build().eval(), build(denoising=None).eval()
    monkeypatch.setattr(head.denoising, 'forward', lambda *args: pytest.fail('noisy queries at inference'))
    for ours, theirs in zip(
        head.predict(*memory(2), samples(1, 1)), plain.predict(*memory(2), samples(1, 1)), strict=True
    ):
        assert torch.equal(ours.scores, theirs.scores) and torch.equal(ours.object_boxes, theirs.object_boxes)


LOADERS = {
    'torch': lambda model, weights: model.load_state_dict(weights),
    'mmengine': lambda model, weights: load_state_dict(model, weights, strict=True),
    'load_weights': lambda model, weights: load_weights(model, dict(state_dict=weights), 'a.pth', 'b.py'),
}


@pytest.mark.parametrize('load', LOADERS.values(), ids=LOADERS)
def test_checkpoints_load_with_and_without(load):
    trained, plain = build_detector(seed=1, denoising=GROUPS), build_detector(seed=2)
    load(plain, copy.copy(trained.state_dict()))
    assert all(torch.equal(value, trained.state_dict()[name]) for name, value in plain.state_dict().items())
    other = build_detector(seed=3, denoising=GROUPS)
    fresh = other.bbox_head.denoising.human_box.weight.clone()
    load(other, copy.copy(plain.state_dict()))
    assert torch.equal(other.bbox_head.denoising.human_box.weight, fresh)
    assert torch.equal(other.bbox_head.pair_embed.weight, trained.bbox_head.pair_embed.weight)
    load(other, copy.copy(trained.state_dict()))  # as when a training is resumed
    assert torch.equal(other.bbox_head.denoising.human_box.weight, trained.bbox_head.denoising.human_box.weight)


def test_a_published_checkpoint_replaces_the_start(tmp_path):
    """It has no weights of noisy queries, so a further training starts them at random, and needs no DETR for it."""
    trained = build_detector(seed=1, denoising=GROUPS)
    torch.save(dict(state_dict=trained.state_dict()), tmp_path / 'a.pth')
    publish_checkpoint(tmp_path / 'a.pth', tmp_path / 'b.pth', half=False)
    published = torch.load(tmp_path / 'b.pth', weights_only=True)['state_dict']
    assert set(published) == set(build_detector(seed=2).state_dict())
    trained.expect_weights(set(published))
    assert not trained.needs_start
