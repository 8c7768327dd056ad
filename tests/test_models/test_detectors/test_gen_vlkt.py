import copy
import io

import pytest
import torch
import torchvision
from mmdet.registry import MODELS
from mmengine.runner import CheckpointLoader

from genvlkt_mmdet.models.layers import classifier as classifier_module
from genvlkt_mmdet.models.losses import vlkt_loss as vlkt_loss_module
from tests.test_models.tiny import CHANNELS, CLIP_DIMS, VCOCO_LIKE, batch, build_detector, detector_cfg, sample

NECK = detector_cfg()['neck']
KEYS = ('human_boxes', 'object_boxes', 'object_labels', 'hoi_labels', 'scores', 'query_ids')


@pytest.fixture
def no_clip(monkeypatch):
    """Fails the test when anything of CLIP is asked for."""

    def refuse(*args, **kwargs):
        pytest.fail('CLIP was asked for')

    monkeypatch.setattr(classifier_module, 'encode_text', refuse)
    monkeypatch.setattr(vlkt_loss_module, 'build_teacher', refuse)


@torch.no_grad()
def test_tensor_mode_gives_all_layers(no_clip):
    model = build_detector()
    samples = [sample((64, 96)), sample((96, 64), seed=1)]
    outputs = model(batch(*samples), samples, mode='tensor')
    assert {key: tuple(value.shape) for key, value in outputs.items()} == dict(
        hoi_logits=(2, 2, 6, 5),
        obj_logits=(2, 2, 6, 4),
        human_boxes=(2, 2, 6, 4),
        object_boxes=(2, 2, 6, 4),
        hoi_embeds=(2, 2, 6, CLIP_DIMS),
    )


@torch.no_grad()
@pytest.mark.parametrize('vocabulary', [None, VCOCO_LIKE])
def test_a_padded_image_gives_what_it_gives_alone(vocabulary):
    """Cells of the backbone see no padding here, so that attention and positions are all that could leak."""
    model = build_detector(**(dict(vocabulary=vocabulary) if vocabulary else {}))
    samples = [sample((64, 96)), sample((96, 64), seed=1), sample((32, 32), seed=2)]
    inputs = batch(*samples)
    together = model(inputs, samples, mode='tensor')
    predicted = model(inputs, [s.clone() for s in samples], mode='predict')
    for i, s in enumerate(samples):
        height, width = s.img_shape
        own = inputs[i : i + 1, :, :height, :width]
        alone = model(own, [s], mode='tensor')
        for key, value in alone.items():
            torch.testing.assert_close(together[key][:, i], value[:, 0], rtol=1e-4, atol=1e-4)
        unaware = model(own, None, mode='tensor')
        assert all(torch.equal(unaware[key], alone[key]) for key in alone)
        single = model(own, [s.clone()], mode='predict')[0].pred_hois
        torch.testing.assert_close(predicted[i].pred_hois.scores, single.scores, rtol=1e-4, atol=1e-4)


def test_padding_mask_marks_what_is_outside_the_image():
    model = build_detector()
    samples = [sample((64, 96)), sample((96, 64), seed=1)]
    encoded = model.encode(batch(*samples), samples)
    expected = torch.tensor([[[0, 0, 0], [0, 0, 0], [1, 1, 1]], [[0, 0, 1], [0, 0, 1], [0, 0, 1]]], dtype=torch.bool)
    assert torch.equal(encoded['memory_mask'], expected.flatten(1))
    assert encoded['memory'].shape == encoded['memory_pos'].shape == (2, 9, CHANNELS)
    same = [sample((64, 64)), sample((64, 64), seed=1)]
    assert model.encode(batch(*same), same)['memory_mask'] is None


@torch.no_grad()
def test_predict_fills_the_samples_in_original_pixels(no_clip):
    model = build_detector(vocabulary=VCOCO_LIKE)
    samples = [sample((64, 96), ori_shape=(128, 192)), sample((96, 64), ori_shape=(48, 32), seed=1)]
    returned = model(batch(*samples), samples, mode='predict')
    outputs = model(batch(*samples), samples, mode='tensor')
    assert all(a is b for a, b in zip(returned, samples, strict=True))
    for i, s in enumerate(samples):
        result = s.pred_hois
        assert set(result.keys()) == set(KEYS)
        assert 0 < len(result) <= 36
        height, width = s.ori_shape
        boxes = outputs['human_boxes'][-1, i][result.query_ids]
        centre, size = boxes[:, :2], boxes[:, 2:]
        expected = torch.cat([centre - size / 2, centre + size / 2], 1) * torch.tensor([width, height] * 2)
        torch.testing.assert_close(result.human_boxes, expected)
        missing = result.object_labels == 3
        assert torch.equal(result.object_boxes.isnan().all(1), missing)
        assert torch.equal(result.object_boxes.isnan().any(1), missing)
        order = list(zip(result.query_ids.tolist(), result.hoi_labels.tolist(), strict=True))
        assert len(set(order)) == len(order)
        assert result.scores.tolist() == sorted(result.scores.tolist(), reverse=True)


def test_training_step_reaches_every_parameter():
    """Nothing trainable is left without a gradient: DDP needs no search for unused parameters."""
    for kwargs in (dict(), dict(mimic=False), dict(zero_shot='some')):
        hois = 3 if 'zero_shot' in kwargs else 5
        model = build_detector(**kwargs).train()
        for counts in ((2, 1), (0, 0)):
            model.zero_grad(set_to_none=True)
            samples = [sample((64, 96), counts[0], hois), sample((96, 64), counts[1], hois, seed=1)]
            loss, log = model.parse_losses(model(batch(*samples), samples, mode='loss'))
            loss.backward()
            unused = [name for name, p in model.named_parameters() if p.requires_grad and p.grad is None]
            assert not unused, (kwargs, counts)
            assert loss.isfinite()


def test_loss_goes_down_by_descent():
    model = build_detector().train()
    samples = [sample((64, 96)), sample((96, 64), seed=1)]
    inputs = batch(*samples)
    optimizer = torch.optim.AdamW(model.parameters(), 1e-3)
    values = []
    for _ in range(12):
        loss, _ = model.parse_losses(model(inputs, samples, mode='loss'))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        values.append(loss.item())
    assert values[-1] < 0.8 * values[0]


def test_preprocessor_and_test_step(no_clip):
    """Through the interface the Runner uses: uint8 pictures in a list, samples out, padding by the preprocessor."""
    model = build_detector()
    samples = [sample((64, 96)), sample((96, 64), seed=1)]
    images = [torch.randint(0, 256, (3, *s.img_shape), dtype=torch.uint8) for s in samples]
    with torch.no_grad():
        results = model.test_step(dict(inputs=images, data_samples=samples))
    assert [len(r.pred_hois) > 0 for r in results] == [True, True]


def test_building_loading_and_predicting_need_no_clip(no_clip):
    """The config names CLIP weights that do not exist."""
    model = build_detector(seed=1)
    other = build_detector(seed=2)
    file = io.BytesIO()
    torch.save(model.state_dict(), file)
    file.seek(0)
    other.load_state_dict(torch.load(file, weights_only=True), strict=True)
    samples = [sample((64, 96))]
    with torch.no_grad():
        one = model(batch(*samples), [samples[0].clone()], mode='predict')[0].pred_hois
        two = other(batch(*samples), [samples[0].clone()], mode='predict')[0].pred_hois
    assert all(torch.equal(one[key], two[key]) for key in KEYS)
    assert not [name for name in model.state_dict() if 'teacher' in name]


def test_copies_predict_alike(no_clip):
    model = build_detector()
    samples = [sample((64, 96))]
    twin = copy.deepcopy(model)
    with torch.no_grad():
        a, b = (m(batch(*samples), samples, mode='tensor') for m in (model, twin))
    assert all(torch.equal(a[key], b[key]) for key in a)


def test_init_weights_asks_for_text_and_for_the_detr(monkeypatch, tmp_path):
    monkeypatch.setattr(classifier_module, 'encode_text', lambda prompts, clip: torch.eye(len(prompts), CLIP_DIMS))
    path = tmp_path / 'absent.pth'
    model = MODELS.build(detector_cfg(pretrained_detr=str(path)))
    with pytest.raises(FileNotFoundError, match=r"absent\.pth' is missing.*model\.pretrained_detr=None"):
        model.init_weights()


def test_detr_is_loaded_after_all_other_initialisation(monkeypatch, tmp_path):
    monkeypatch.setattr(classifier_module, 'encode_text', lambda prompts, clip: torch.eye(len(prompts), CLIP_DIMS))
    path = tmp_path / 'detr.pth'
    donor = build_detector(seed=5)
    state = {}
    for name, value in donor.state_dict().items():  # a DETR has one decoder and one box head
        if name.startswith(('backbone.', 'neck.', 'encoder.')):
            state[name] = value
        elif name.startswith('bbox_head.instance_decoder.'):
            state[name.replace('bbox_head.instance_decoder', 'decoder')] = value
    torch.save(dict(state_dict=state), path)
    model = MODELS.build(detector_cfg(pretrained_detr=str(path)))
    model.init_weights()
    filled = model.state_dict()
    for name, value in donor.state_dict().items():
        if name.startswith(('backbone.', 'neck.', 'encoder.', 'bbox_head.instance_decoder.')):
            assert torch.equal(filled[name], value), name
            twin = name.replace('instance_decoder', 'interaction_decoder')
            assert torch.equal(filled[twin], value), twin
    assert torch.equal(filled['bbox_head.hoi_classifier.fc.weight'], torch.eye(5, CLIP_DIMS))


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
@pytest.mark.parametrize('cast', [False, True], ids=['autocast', 'cast'])
def test_half_precision_is_for_backbone_and_encoder(dtype, cast):
    """test_step() predicts what a float32 head does from the same memory, here of images of two sizes."""
    model = build_detector(num_queries=40, mimic=False)
    samples = [sample((64, 96), ori_shape=(320, 480)), sample((96, 64), ori_shape=(480, 320), seed=1)]
    images = [batch(s)[0] * 255 for s in samples]
    if cast:
        model.to(dtype)
    encoded = {}
    model.encoder.register_forward_hook(lambda module, args, output: encoded.update(memory=output, pos=args[1]))
    with torch.autocast('cpu', dtype, enabled=not cast):
        results = model.test_step(dict(inputs=images, data_samples=[s.clone() for s in samples]))
    assert encoded['memory'].dtype == dtype
    mask = model._padding_mask(torch.zeros(2, 3, 96, 96), samples, (3, 3)).flatten(1)
    with torch.no_grad():
        expected = model.float().bbox_head.predict(encoded['memory'].float(), encoded['pos'].float(), mask, samples)
    for result, theirs in zip(results, expected, strict=True):
        ours = result.pred_hois
        assert torch.equal(ours.query_ids, theirs.query_ids) and torch.equal(ours.hoi_labels, theirs.hoi_labels)
        torch.testing.assert_close(ours.scores, theirs.scores, rtol=0, atol=1e-5)
        for key in ('human_boxes', 'object_boxes'):
            torch.testing.assert_close(ours[key], theirs[key], rtol=0, atol=0.05)


RESNET = dict(
    type='ResNet',
    depth=18,
    out_indices=(3,),
    frozen_stages=1,
    norm_cfg=dict(type='BN', requires_grad=False),
    norm_eval=True,
)


def with_resnet(**kwargs):
    return dict(detector_cfg(mimic=False, backbone=dict(RESNET, **kwargs)), neck=dict(NECK, in_channels=[512]))


def test_without_a_detr_a_frozen_resnet_starts_from_imagenet(monkeypatch, tmp_path):
    """What is frozen must not be random: it would stay so."""
    donor = torchvision.models.resnet18()
    asked = []

    def load(filename, map_location=None, logger=None):
        asked.append(filename)
        return donor.state_dict()

    monkeypatch.setattr(CheckpointLoader, 'load_checkpoint', load)
    model = MODELS.build(with_resnet())
    model.init_weights()
    assert asked == ['torchvision://resnet18']
    assert torch.equal(model.backbone.conv1.weight, donor.conv1.weight)
    assert torch.equal(model.backbone.layer4[1].bn2.weight, donor.layer4[1].bn2.weight)
    # Where the DETR, a checkpoint or the config itself says what to start from, ImageNet is not asked.
    expecting = MODELS.build(with_resnet())
    expecting.expect_weights(set(expecting.state_dict()))
    expecting.init_weights()
    MODELS.build(with_resnet(init_cfg=dict(type='Kaiming', layer='Conv2d'))).init_weights()
    MODELS.build(with_resnet(frozen_stages=-1, norm_cfg=dict(type='BN'))).init_weights()
    assert len(asked) == 1
    assert MODELS.build(dict(with_resnet(), pretrained_detr='x.pth')).backbone.init_cfg[0]['type'] == 'Kaiming'


def test_a_frozen_backbone_without_any_weights_is_refused():
    model = MODELS.build(dict(with_resnet(base_channels=32), neck=dict(NECK, in_channels=[256])))
    with pytest.raises(ValueError, match=r'frozen parts of the backbone would stay random.*set model\.pretrained_detr'):
        model.init_weights()
    model.expect_weights(set(model.state_dict()))
    model.init_weights()
