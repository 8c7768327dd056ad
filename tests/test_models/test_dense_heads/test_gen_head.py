import copy
import math

import pytest
import torch
from mmdet.registry import MODELS
from mmengine.structures import InstanceData

from genvlkt_mmdet.models.layers import classifier as classifier_module
from tests.test_models.tiny import CHANNELS, CLIP_DIMS, HICO_LIKE, VCOCO_LIKE, Teacher, head_cfg, mimic_cfg, sample

HOIS = 5


def build(seed=0, **kwargs):
    torch.manual_seed(seed)
    return MODELS.build(head_cfg(**kwargs)).eval()


@pytest.fixture
def memory():
    torch.manual_seed(1)
    mask = torch.zeros(2, 9, dtype=torch.bool)
    mask[1, 6:] = True
    return torch.randn(2, 9, CHANNELS), torch.randn(2, 9, CHANNELS), mask


def raw(queries=3, batch=1, num_hois=HOIS, num_objects=4):
    """Outputs of one layer that the tests fill: nothing likely, boxes apart from one another."""
    centres = torch.linspace(0.1, 0.9, queries)
    boxes = torch.stack([centres, centres, torch.full_like(centres, 0.1), torch.full_like(centres, 0.2)], 1)
    return dict(
        hoi_logits=torch.full((batch, queries, num_hois), -20.0),
        obj_logits=torch.full((batch, queries, num_objects), -20.0),
        human_boxes=boxes.expand(batch, -1, -1).clone(),
        object_boxes=boxes.expand(batch, -1, -1).clone(),
    )


# Network


def test_output_shapes(memory):
    with torch.no_grad():
        outputs = build(vocabulary=VCOCO_LIKE, num_queries=7)(*memory)
    assert {key: tuple(value.shape) for key, value in outputs.items()} == dict(
        hoi_logits=(2, 2, 7, 6),
        obj_logits=(2, 2, 7, 5),
        human_boxes=(2, 2, 7, 4),
        object_boxes=(2, 2, 7, 4),
        hoi_embeds=(2, 2, 7, CLIP_DIMS),
    )
    for key in ('human_boxes', 'object_boxes'):
        assert outputs[key].min() > 0 and outputs[key].max() < 1


@torch.no_grad()
def test_guided_embeddings_are_the_papers(memory):
    """p-GE is added to both query sets; i-GE is the mean of the normed instance outputs, layer by layer."""
    head = build()
    outputs = head(*memory)
    pos = torch.cat([e.weight + head.pair_embed.weight for e in (head.human_embed, head.object_embed)])
    instances = head.instance_decoder(torch.stack([pos, pos])[:, None].repeat(1, 2, 1, 1), *memory)
    human, obj = instances[:, :, :6], instances[:, :, 6:]
    interactions = head.interaction_decoder(0.5 * human + 0.5 * obj, *memory)
    torch.testing.assert_close(outputs['human_boxes'], head.human_box_mlp(human).sigmoid())
    torch.testing.assert_close(outputs['object_boxes'], head.object_box_mlp(obj).sigmoid())
    torch.testing.assert_close(outputs['obj_logits'], head.obj_classifier(obj)[0])
    torch.testing.assert_close(outputs['hoi_logits'], head.hoi_classifier(interactions)[0], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(outputs['hoi_embeds'], head.hoi_classifier.proj(interactions), rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_permuted_queries_give_permuted_outputs_and_the_same_triplets(memory):
    head = build()
    permuted = copy.deepcopy(head)
    order = torch.randperm(6)
    for name in ('human_embed', 'object_embed', 'pair_embed'):
        getattr(permuted, name).weight.copy_(getattr(head, name).weight[order])
    outputs, others = head(*memory), permuted(*memory)
    for key, value in outputs.items():
        torch.testing.assert_close(others[key], value[:, :, order], rtol=1e-4, atol=1e-5)
    samples = [sample((60, 90)), sample((60, 90))]
    for one, other in zip(head.predict(*memory, samples), permuted.predict(*memory, samples), strict=True):
        rows = [
            sorted((q, h) for q, h in zip(queries.tolist(), result.hoi_labels.tolist(), strict=True))
            for queries, result in ((one.query_ids, one), (order[other.query_ids], other))
        ]
        assert rows[0] == rows[1]
        torch.testing.assert_close(one.scores, other.scores, rtol=1e-4, atol=1e-5)


def test_arguments_that_make_no_sense():
    with pytest.raises(KeyError, match="no zero-shot split 'nowhere'; it has: some"):
        build(zero_shot='nowhere')
    with pytest.raises(FileNotFoundError, match='neither a shipped vocabulary'):
        build(vocabulary='nowhere')


@pytest.mark.parametrize(('name', 'hois', 'objects'), [('hico', 600, 81), ('vcoco', 263, 82)])
def test_vocabulary_decides_the_number_of_classes(name, hois, objects):
    head = build(vocabulary=name)
    assert head.hoi_classifier.fc.weight.shape == (hois, CLIP_DIMS)
    assert head.obj_classifier.fc.weight.shape == (objects, CLIP_DIMS)
    assert head.hoi_objects.tolist() == list(head.vocabulary.hoi_objects)
    assert 'hoi_objects' not in head.state_dict()


# Initialisation


def test_weights_start_from_text(monkeypatch):
    asked = []

    def encode(prompts, clip):
        asked.append((tuple(prompts), clip))
        return 7 * torch.eye(len(prompts), CLIP_DIMS) + 1

    monkeypatch.setattr(classifier_module, 'encode_text', encode)
    clip = dict(model_name='some', pretrained='where')
    head = build(clip=clip)
    assert not asked  # building needs no CLIP
    bias = head.hoi_classifier.fc.bias.clone()
    head.init_weights()
    prompts = tuple(h['prompt'] for h in HICO_LIKE['hois'])
    assert sorted(asked) == sorted([(prompts, clip), (tuple(HICO_LIKE['object_prompts']), clip)])
    length = math.sqrt(8 * 8 + 15)
    for classifier, count in ((head.hoi_classifier, 5), (head.obj_classifier, 4)):
        expected = (7 * torch.eye(count, CLIP_DIMS) + 1) / length
        torch.testing.assert_close(classifier.fc.weight.detach(), expected)
        assert classifier.fc.weight.requires_grad
    assert torch.equal(head.hoi_classifier.fc.bias, bias)
    assert head.pair_embed.weight.min() >= 0 and head.pair_embed.weight.max() <= 1
    assert head.human_embed.weight.min() < 0


def test_without_clip_the_rows_stay(monkeypatch):
    monkeypatch.setattr(classifier_module, 'encode_text', lambda *a: pytest.fail('no text encoder was asked for'))
    head = build()
    rows = head.hoi_classifier.fc.weight.clone()
    head.init_weights()
    assert torch.equal(head.hoi_classifier.fc.weight, rows)


# Zero-shot: classes 1 and 3 of five are unseen


def test_zero_shot_trains_seen_rows_and_predicts_all(monkeypatch, memory):
    monkeypatch.setattr(classifier_module, 'encode_text', lambda prompts, clip: torch.eye(len(prompts), CLIP_DIMS))
    head = build(zero_shot='some', clip=dict(model_name='some'))
    head.init_weights()
    with torch.no_grad():
        every, seen = head(*memory), head(*memory, seen_only=True)
    assert every['hoi_logits'].shape[-1] == 5
    torch.testing.assert_close(every['hoi_logits'][..., [0, 2, 4]], seen['hoi_logits'])
    rows = torch.eye(5, CLIP_DIMS)
    assert torch.equal(head.hoi_classifier.fc.weight, rows[[0, 2, 4]])
    assert torch.equal(head.hoi_classifier.eval_fc.weight, rows)
    assert head.obj_classifier.fc.weight.shape == (4, CLIP_DIMS)
    frozen = {name for name, p in head.named_parameters() if not p.requires_grad}
    assert frozen == {
        f'{name}.{leaf}'
        for name in ('hoi_classifier.fc', 'hoi_classifier.eval_fc', 'obj_classifier.fc')
        for leaf in ('weight', 'bias')
    }
    samples = [sample((50, 60), num_hois=3, seed=i) for i in range(2)]
    losses = head.loss(*memory, samples)
    assert all(value.isfinite() for value in losses.values())
    found = {h for r in head.predict(*memory, samples) for h in r.hoi_labels.tolist()}
    assert found & {1, 3}  # unseen classes are predicted


# Losses


def test_loss_names_and_gradients(memory):
    head = build(loss_mimic=mimic_cfg()).train()
    head.loss_mimic.teacher = teacher = Teacher()
    losses = head.loss(*memory, [sample((50, 60), seed=i) for i in range(2)])
    names = {
        'loss_hoi', 'loss_obj', 'loss_human_bbox', 'loss_object_bbox', 'loss_human_iou', 'loss_object_iou', 'loss_mimic'
    }  # fmt: skip
    assert losses.keys() == names | {f'd0.{name}' for name in names}
    assert all(value.shape == () and value.isfinite() and value > 0 for value in losses.values())
    assert teacher.calls == 1
    sum(losses.values()).backward()
    untouched = [name for name, p in head.named_parameters() if p.requires_grad and p.grad is None]
    assert not untouched


def test_mimic_without_what_it_needs_says_what_to_do(memory):
    with pytest.raises(
        ValueError, match=r'set model\.bbox_head\.loss_mimic\.clip, or model\.bbox_head\.loss_mimic=None'
    ):
        build(loss_mimic=mimic_cfg(clip=None))
    head = build(loss_mimic=mimic_cfg())
    samples = [sample((50, 60), seed=i) for i in range(2)]
    del samples[1].clip_image
    with pytest.raises(ValueError, match=r'MakeCLIPImage into the training pipeline'):
        head.loss(*memory, samples)


def one_pair(**kwargs):
    return InstanceData(
        hoi_labels=torch.tensor([[1.0, 0.0, 0.0, 0.0, 1.0]]),
        object_labels=torch.tensor([1]),
        human_boxes=torch.tensor([[0.5, 0.5, 0.2, 0.4]]),
        object_boxes=kwargs.get('object_boxes', torch.tensor([[0.3, 0.3, 0.2, 0.2]])),
    )


def stacked(outputs):
    return {key: value[None] for key, value in outputs.items()}


def test_losses_by_hand():
    """One layer, one image, two queries; the first is the pair's by far."""
    outputs = raw(queries=2)
    outputs['hoi_logits'] = torch.zeros(1, 2, HOIS)
    outputs['obj_logits'] = torch.zeros(1, 2, 4)
    outputs['human_boxes'][0, 0] = torch.tensor([0.5, 0.5, 0.2, 0.2])  # L1 0.2, IoU = GIoU = 1/2
    outputs['object_boxes'][0, 0] = torch.tensor([0.3, 0.3, 0.2, 0.2])
    losses = build().loss_by_feat(stacked(outputs), [one_pair()])
    assert losses.keys() == {
        'loss_hoi', 'loss_obj', 'loss_human_bbox', 'loss_object_bbox', 'loss_human_iou', 'loss_object_iou'
    }  # fmt: skip
    # Ten probabilities of 1/2, two of them positives: weight 2 * 10 * 0.5 * (1/2)^2 * ln 2 / 2.
    assert losses['loss_hoi'].item() == pytest.approx(1.25 * math.log(2))
    # Uniform over 4 classes for both queries: the weighted mean of ln 4 is ln 4.
    assert losses['loss_obj'].item() == pytest.approx(math.log(4))
    assert losses['loss_human_bbox'].item() == pytest.approx(2.5 * 0.2)
    assert losses['loss_human_iou'].item() == pytest.approx(0.5, abs=1e-4)
    assert losses['loss_object_bbox'].item() == pytest.approx(0, abs=1e-5)
    assert losses['loss_object_iou'].item() == pytest.approx(0, abs=1e-4)


def test_nothing_weighs_a_tenth():
    outputs = raw(queries=2)
    outputs['human_boxes'][0, 0] = one_pair().human_boxes[0]
    outputs['object_boxes'][0, 0] = one_pair().object_boxes[0]
    outputs['obj_logits'] = torch.tensor([[[0.0, math.log(3), 0.0, 0.0], [0.0, 0.0, 0.0, math.log(2)]]])
    losses = build().loss_by_feat(stacked(outputs), [one_pair()])
    # Query 0: -ln(3/6), weight 1; query 1 ('nothing'): -ln(2/5), weight 0.1.
    expected = (math.log(2) + 0.1 * math.log(2.5)) / 1.1
    assert losses['loss_obj'].item() == pytest.approx(expected)
    losses = build(loss_obj=dict(type='CrossEntropyLoss')).loss_by_feat(stacked(outputs), [one_pair()])
    assert losses['loss_obj'].item() == pytest.approx((math.log(2) + math.log(2.5)) / 2)


def test_absent_objects_have_no_box_loss():
    """Two images with a pair each, one without object: humans are divided by 2, objects by 1."""
    outputs = raw(queries=1, batch=2)
    outputs['human_boxes'][:] = torch.tensor([0.5, 0.5, 0.2, 0.2])
    outputs['object_boxes'][:] = torch.tensor([0.3, 0.3, 0.1, 0.2])
    targets = [one_pair(), one_pair(object_boxes=torch.zeros(1, 4))]
    losses = build().loss_by_feat(stacked(outputs), targets)
    assert losses['loss_human_bbox'].item() == pytest.approx(2.5 * 0.2)
    assert losses['loss_object_bbox'].item() == pytest.approx(2.5 * 0.1, rel=1e-3)
    assert losses['loss_object_iou'].item() == pytest.approx(0.5, abs=1e-3)
    absent = build().loss_by_feat(stacked(outputs), [targets[1], targets[1]])
    assert absent['loss_object_bbox'].item() == absent['loss_object_iou'].item() == 0
    assert absent['loss_human_bbox'].item() == pytest.approx(2.5 * 0.2)


def test_batch_without_pairs_is_all_background(memory):
    head = build().train()
    outputs = head(*memory)
    empty = sample((50, 60), count=0)
    losses = head.loss(*memory, [empty, empty])
    prob = outputs['hoi_logits'][-1].sigmoid().clamp(1e-4, 1 - 1e-4)
    assert losses['loss_hoi'].item() == pytest.approx((-(prob**2) * (1 - prob).log()).sum().item(), rel=1e-4)
    nothing = -outputs['obj_logits'][-1].log_softmax(-1)[..., -1].mean()
    assert losses['loss_obj'].item() == pytest.approx(nothing.item(), rel=1e-4)
    for part in ('human', 'object'):
        assert losses[f'loss_{part}_bbox'] == losses[f'loss_{part}_iou'] == 0
    sum(losses.values()).backward()
    assert all(p.grad is not None for p in head.parameters() if p.requires_grad)


def test_boxes_of_pairs_are_relative_to_their_image(memory):
    """The same scene at twice the size costs the same."""
    head = build()
    small, large = sample((50, 60), seed=3), sample((100, 120), seed=3)
    other = sample((70, 30), seed=4)
    torch.testing.assert_close(large.gt_pairs.human_boxes, 2 * small.gt_pairs.human_boxes)
    for name, value in head.loss(*memory, [small, other]).items():
        torch.testing.assert_close(head.loss(*memory, [large, other])[name], value)


def test_order_of_pairs_and_images_does_not_matter(memory):
    head = build()
    samples = [sample((50, 60), count=3, seed=1), sample((70, 30), count=2, seed=2)]
    expected = head.loss(*memory, samples)
    for s in samples:
        s.gt_pairs = s.gt_pairs[torch.arange(len(s.gt_pairs)).flip(0)]
    flipped = [m.flip(0) for m in memory]
    for name, value in head.loss(*flipped, samples[::-1]).items():
        torch.testing.assert_close(value, expected[name], rtol=1e-4, atol=1e-5)


def test_mixed_precision_losses_are_float_and_near(memory):
    head = build()
    samples = [sample((50, 60), seed=i) for i in range(2)]
    expected = head.loss(*memory, samples)
    with torch.autocast('cpu', torch.bfloat16):
        losses = head.loss(*memory, samples)
    assert all(value.dtype == torch.float32 for value in losses.values())
    assert sum(losses.values()).item() == pytest.approx(sum(expected.values()).item(), rel=0.1)


# Prediction


def test_triplets_by_hand():
    outputs = raw(queries=3)
    outputs['hoi_logits'][0, 1, 2] = math.log(3)  # 3/4; class 2's object is 2
    outputs['obj_logits'][0, 1, 2] = 0.0  # 1/2
    outputs['hoi_logits'][0, 2, 0] = 0.0  # 1/2; class 0's object is 1
    outputs['obj_logits'][0, 2, 3] = 9.0  # 'nothing', which is no label
    result = build(test_cfg=dict(max_per_img=2)).predict_by_feat(outputs, [(100, 200)])[0]
    assert result.hoi_labels.tolist() == [2, 0]
    assert result.query_ids.tolist() == [1, 2]
    assert result.scores.tolist() == pytest.approx([0.75 + 0.25, 0.5], abs=1e-6)
    assert result.object_labels.tolist() == [2, 0]
    # Query 1: centre (0.5, 0.5), size 0.1 x 0.2 of 200 x 100 pixels; query 2: centre (0.9, 0.9), not clipped.
    expected = [[90, 40, 110, 60], [170, 80, 190, 100]]
    torch.testing.assert_close(result.human_boxes, torch.tensor(expected, dtype=torch.float32))
    torch.testing.assert_close(result.object_boxes, result.human_boxes)


HALF = (torch.float16, torch.bfloat16)


@pytest.mark.parametrize('dtype', HALF)
@pytest.mark.parametrize('cast', [False, True], ids=['autocast', 'cast'])
@pytest.mark.parametrize('kind', [{}, dict(type='VerbGENHead', hoi_text=False), dict(zero_shot='some')])
@torch.no_grad()
def test_half_precision_predicts_what_float32_does(memory, dtype, cast, kind):
    """The same features and weights give the same boxes and triplets, in whatever precision they arrive."""
    torch.manual_seed(0)
    head = MODELS.build(head_cfg(num_queries=40, test_cfg=dict(nms=None), **kind)).eval()
    if cast:
        head.to(dtype)
    features, mask = [m.to(dtype) for m in memory[:2]], memory[2]
    samples = [sample((480, 640), seed=i) for i in range(2)]
    with torch.autocast('cpu', dtype, enabled=not cast):
        results = head.predict(*features, mask, samples)
    assert {p.dtype for p in head.parameters()} == {dtype if cast else torch.float32}
    expected = head.float().predict(*(f.float() for f in features), mask, samples)
    for ours, theirs in zip(results, expected, strict=True):
        assert len(ours) == len(theirs) == 100
        assert ours.scores.dtype == ours.human_boxes.dtype == ours.object_boxes.dtype == torch.float32
        # exactly: with equal features there are no near ties to decide otherwise
        assert torch.equal(ours.query_ids, theirs.query_ids) and torch.equal(ours.hoi_labels, theirs.hoi_labels)
        torch.testing.assert_close(ours.scores, theirs.scores, rtol=0, atol=1e-5)
        for key in ('human_boxes', 'object_boxes'):
            torch.testing.assert_close(ours[key], theirs[key], rtol=0, atol=0.05)


@pytest.mark.parametrize('dtype', HALF)
def test_half_precision_outputs_are_selected_in_float32(dtype):
    head = build(test_cfg=dict(max_per_img=20))
    torch.manual_seed(2)
    outputs = {key: torch.rand_like(value).to(dtype) for key, value in raw(queries=8).items()}
    (ours,) = head.predict_by_feat(outputs, [(480, 640)])
    (theirs,) = head.predict_by_feat({key: value.float() for key, value in outputs.items()}, [(480, 640)])
    assert all(torch.equal(ours[key], theirs[key]) for key in theirs.keys())  # noqa: SIM118


@torch.no_grad()
def test_double_precision_stays(memory):
    head = build().double()
    (result, _) = head.predict(*(m.double() for m in memory[:2]), memory[2], [sample((48, 64))] * 2)
    assert result.scores.dtype == result.human_boxes.dtype == torch.float64


def test_equal_scores_are_taken_once_and_in_order():
    outputs = raw(queries=3)
    outputs['hoi_logits'][:] = 0.0
    result = build(test_cfg=dict(max_per_img=7)).predict_by_feat(outputs, [(100, 100)])[0]
    pairs = list(zip(result.query_ids.tolist(), result.hoi_labels.tolist(), strict=True))
    assert pairs == [(0, 0), (0, 1), (0, 2), (0, 3), (0, 4), (1, 0), (1, 1)]


@pytest.mark.parametrize(('wanted', 'got'), [(1, 1), (4, 4), (1000, 15)])
def test_max_per_img(wanted, got):
    result = build(test_cfg=dict(max_per_img=wanted, nms=None)).predict_by_feat(raw(queries=3), [(100, 100)])[0]
    assert len(result) == got
    assert result.scores.tolist() == sorted(result.scores.tolist(), reverse=True)


def test_nms_works_in_pixels_and_can_be_left_out():
    outputs = raw(queries=2)
    outputs['hoi_logits'][0, :, 1] = torch.tensor([2.0, 1.0])
    for key in ('human_boxes', 'object_boxes'):  # IoU 3/4 each: 0.75 * sqrt(0.75) = 0.65
        outputs[key][0] = torch.tensor([[0.5, 0.5, 0.4, 0.4], [0.5, 0.5, 0.4, 0.3]])
    cfg = dict(max_per_img=2)

    def queries(**test_cfg):
        result = build(test_cfg=dict(cfg, **test_cfg)).predict_by_feat(outputs, [(1000, 1000)])[0]
        return result.query_ids.tolist()

    assert queries() == [0, 1]
    assert queries(nms=dict(type='HOITripletNMS', iou_threshold=0.6)) == [0]
    assert queries(nms=None) == [0, 1]


def test_person_only_has_no_object_box():
    outputs = raw(queries=2, num_hois=6, num_objects=5)
    outputs['hoi_logits'][0, 0, 5] = outputs['hoi_logits'][0, 1, 1] = 5.0
    outputs['obj_logits'][0, 0, 3] = 5.0  # 'person only'
    outputs['obj_logits'][0, 1, 2] = 4.0
    result = build(vocabulary=VCOCO_LIKE, test_cfg=dict(max_per_img=2)).predict_by_feat(outputs, [(10, 10)])[0]
    assert result.object_labels.tolist() == [3, 2]
    assert result.object_boxes[0].isnan().all()
    assert result.object_boxes[1].isfinite().all()
    assert result.human_boxes.isfinite().all()


def test_rescale_chooses_the_image_of_the_boxes(memory):
    head = build()
    samples = [sample((50, 60), ori_shape=(100, 180)), sample((40, 60), ori_shape=(20, 30))]
    original = head.predict(*memory, samples)
    network = head.predict(*memory, samples, rescale=False)
    for big, small, (x, y) in zip(original, network, [(3.0, 2.0), (0.5, 0.5)], strict=True):
        best = 0  # NMS's +1 convention depends on the scale, the best triplet does not
        assert big.query_ids[best] == small.query_ids[best]
        factor = torch.tensor([x, y, x, y])
        torch.testing.assert_close(big.human_boxes[best], small.human_boxes[best] * factor)
        torch.testing.assert_close(big.object_boxes[best], small.object_boxes[best] * factor)


def test_prediction_uses_the_last_layer(memory):
    head = build(test_cfg=dict(max_per_img=3, nms=None))
    outputs = head(*memory)
    samples = [sample((50, 60)), sample((40, 60))]
    results = head.predict(*memory, samples)
    for image, result in enumerate(results):
        hoi = outputs['hoi_logits'][-1, image].sigmoid()
        obj = outputs['obj_logits'][-1, image].sigmoid()[:, torch.tensor([1, 2, 2, 0, 0])]
        expected = (hoi + obj**2).flatten().topk(3).values
        torch.testing.assert_close(result.scores, expected)
