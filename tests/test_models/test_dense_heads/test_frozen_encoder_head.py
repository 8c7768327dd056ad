import json

import open_clip
import pytest
import torch
from mmdet.registry import MODELS
from safetensors.torch import save_file
from torch.nn.functional import normalize

from genvlkt_mmdet.models import optimize_for_inference
from genvlkt_mmdet.models.complexity import model_complexity
from genvlkt_mmdet.models.vlkt import CLIPTokens
from tests.test_models.tiny import CHANNELS, CLIP_DIMS, batch, detector_cfg, head_cfg, sample

IMAGE = 32
MODEL_CFG = dict(
    embed_dim=CLIP_DIMS,
    vision_cfg=dict(image_size=IMAGE, layers=3, width=24, head_width=8, patch_size=8, mlp_ratio=2.0),
    text_cfg=dict(context_length=77, vocab_size=49408, width=16, heads=2, layers=1),
)


@pytest.fixture(scope='module')
def clip(tmp_path_factory):
    """Folder of a random CLIP whose image encoder is a ViT with 3 blocks and 4 x 4 patches."""
    folder = tmp_path_factory.mktemp('clip') / 'vit'
    folder.mkdir()
    torch.manual_seed(0)
    model = open_clip.CLIP(**MODEL_CFG)
    (folder / 'open_clip_config.json').write_text(json.dumps(dict(model_cfg=MODEL_CFG, preprocess_cfg={})))
    save_file({k: v.contiguous() for k, v in model.state_dict().items()}, str(folder / 'open_clip_model.safetensors'))
    return str(folder)


@pytest.fixture(autouse=True)
def _cache(tmp_path, monkeypatch):
    monkeypatch.setenv('GENVLKT_CACHE', str(tmp_path))


def settings(clip, reads='blocks', project_objects=False, **kwargs):
    text = dict(type='TextClassifier', clip=clip, clip_dims=CLIP_DIMS)
    own = dict(
        type='FrozenEncoderHead',
        clip=clip,
        reads=reads,
        hoi_classifier=dict(text, project=reads == 'tokens'),
        obj_classifier=dict(text, project=project_objects),
    )
    return own | kwargs


def build(clip, reads='blocks', **kwargs):
    torch.manual_seed(0)
    head = MODELS.build(head_cfg() | settings(clip, reads, **kwargs)).eval()
    head.init_weights()
    return head


def build_detector(clip, seed=0, **kwargs):
    torch.manual_seed(seed)
    cfg = detector_cfg(mimic=False)
    return MODELS.build(cfg | dict(bbox_head=cfg['bbox_head'] | settings(clip, **kwargs))).eval()


@pytest.fixture
def inputs():
    torch.manual_seed(1)
    memory = dict(memory=torch.randn(2, 9, CHANNELS), memory_pos=torch.randn(2, 9, CHANNELS))
    return dict(memory, clip_images=torch.randn(2, 3, IMAGE, IMAGE))


@pytest.mark.parametrize('reads', ['blocks', 'tokens', 'both'])
@pytest.mark.parametrize('gate', [True, False])
def test_outputs_and_gradients(clip, inputs, reads, gate):
    head = build(clip, reads, object_gate=gate, project_objects=not gate, box_bias=2.0).train()
    outputs = head(**inputs)
    assert outputs['hoi_logits'].shape == (2, 2, 6, 5)
    assert outputs['obj_logits'].shape == (2, 2, 6, 4)
    assert outputs['hoi_embeds'].shape == (2, 2, 6, CLIP_DIMS)
    sum(value.square().sum() for value in outputs.values()).backward()
    assert not [name for name, p in head.named_parameters() if p.requires_grad and p.grad is None]
    assert all(p.grad is None for p in head.clip.parameters())
    last = head(**inputs, last_only=True)
    for key, value in last.items():
        torch.testing.assert_close(value, outputs[key][-1:], rtol=0, atol=1e-5)


def test_a_query_without_offset_is_clips_embedding_of_the_image(clip, inputs):
    head = build(clip, object_gate=False, project_objects=True)
    torch.nn.init.zeros_(head.query_proj.weight)
    embeds = head(**inputs)['hoi_embeds']
    expected = head.clip.source.load_model().encode_image(inputs['clip_images'])
    torch.testing.assert_close(embeds, expected[None, :, None].expand_as(embeds), rtol=0, atol=1e-5)


def test_without_blocks_a_query_gets_the_last_norm_and_the_projection(clip, inputs):
    head = build(clip, num_blocks=0, object_gate=False, project_objects=True)
    human, obj = head._decode_instances(inputs['memory'], inputs['memory_pos'], None)
    visual = head.clip.visual
    class_token = visual.transformer(visual._embeds(inputs['clip_images']))[:, :1]
    expected = visual.ln_post(class_token + head.query_proj((human + obj) / 2)) @ visual.proj
    torch.testing.assert_close(head(**inputs)['hoi_embeds'], expected, rtol=0, atol=1e-5)


def test_the_gate_mixes_two_directions(clip, inputs):
    head = build(clip)
    torch.nn.init.zeros_(head.object_query_proj.weight)
    obj = torch.randn(1, 2, 6, CHANNELS)
    seen = head.clip(inputs['clip_images'])[1]  # (B, D)
    own = normalize(head.object_proj(obj), dim=-1)
    share = 1 / (1 + (-head.gate(obj)).exp())
    expected = share * own + (1 - share) * normalize(seen, dim=-1)[None, :, None]
    from genvlkt_mmdet.models.dense_heads.frozen_encoder_head import _Seen

    found = head._object_features(obj, _Seen(head.clip.block_inputs(inputs['clip_images'], 3), True))
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)


def test_coverage_of_patches_by_hand(clip):
    """4 x 4 patches. A box from (1/4, 0) to (5/8, 1/2): in the two upper rows, all of column 1 and half of column 2."""
    box = torch.tensor([[[0.4375, 0.25, 0.375, 0.5]]])
    expected = torch.zeros(4, 4)
    expected[:2, 1], expected[:2, 2] = 1.0, 0.5
    torch.testing.assert_close(build(clip)._coverage(box).view(4, 4), expected)


def test_a_strong_bias_hides_what_is_outside_of_the_boxes(clip, inputs):
    """With the boxes in the left half, what the blocks get of the right half does not matter."""
    head = build(clip, num_blocks=1, box_bias=1e4, object_gate=False, project_objects=True)
    for mlp in (head.human_box_mlp, head.object_box_mlp):
        torch.nn.init.zeros_(mlp[-1].weight)
        mlp[-1].bias.data = torch.tensor([0.25, 0.5, 0.499, 0.999]).logit()
    before = head(**inputs)['hoi_embeds']
    original = CLIPTokens.block_inputs

    def changed(self, images, num_blocks):
        found = [x.clone() for x in original(self, images, num_blocks)]
        found[0][:, 1:].unflatten(1, (4, 4))[:, :, 2:] += 5
        return found

    head.clip.block_inputs = changed.__get__(head.clip)
    torch.testing.assert_close(head(**inputs)['hoi_embeds'], before, rtol=0, atol=1e-5)
    torch.nn.init.zeros_(head.box_bias)
    assert not torch.allclose(head(**inputs)['hoi_embeds'], before, atol=1e-3)


def test_reading_tokens_uses_the_interaction_decoder_on_them(clip, inputs):
    head = build(clip, 'tokens', object_gate=False, project_objects=True)
    human, obj = head._decode_instances(inputs['memory'], inputs['memory_pos'], None)
    tokens = head.token_proj(head.clip(inputs['clip_images'])[0])
    expected = head.interaction_decoder((human + obj) / 2, tokens, head.token_pos.expand(2, -1, -1), None)
    torch.testing.assert_close(head(**inputs)['hoi_embeds'], head.hoi_classifier.proj(expected), rtol=0, atol=1e-5)
    assert head.token_pos[0, 0].eq(0).all() and head.token_pos.shape == (1, 17, CHANNELS)


def test_detector_trains_predicts_and_keeps_its_checkpoint(clip):
    model = build_detector(clip, box_bias=4.0)
    model.bbox_head.init_weights()
    samples = [sample((64, 96), 2, seed=0), sample((64, 64), 1, seed=1)]
    for s in samples:
        s.clip_image = torch.rand(3, IMAGE, IMAGE, generator=torch.Generator().manual_seed(s.img_id))
    images = batch(*samples)
    before = {k: v.clone() for k, v in model.bbox_head.clip.state_dict().items()}
    losses = model.train().loss(images, samples)
    assert all(torch.isfinite(value).all() for value in losses.values()) and 'loss_mimic' not in losses
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], 0.1)
    sum(losses.values()).backward()
    optimizer.step()
    assert all(torch.equal(value, before[k]) for k, value in model.bbox_head.clip.state_dict().items())

    expected = [s.pred_hois.scores.clone() for s in model.eval().predict(images, samples)]
    other = build_detector(clip, seed=5, box_bias=4.0)
    other.load_state_dict(model.state_dict())
    for found, scores in zip(other.predict(images, samples), expected, strict=True):
        torch.testing.assert_close(found.pred_hois.scores, scores, rtol=0, atol=1e-6)

    readings = model.set_vocabulary(['riding a horse', 'riding a zebra'])
    assert len(readings) == 2
    assert model.predict(images, samples)[0].pred_hois.hoi_labels.max() <= 1


def test_complexity_of_the_parts(clip):
    parts = {part.name: part for part in model_complexity(build_detector(clip), (64, 64))}
    tower = parts['CLIP image encoder']
    assert tower.trained == 0 and tower.frozen == sum(p.numel() for p in CLIPTokens(clip).parameters())
    # Matrix products of 3 blocks (MLP of twice the width) on 17 tokens of CLIP, and on 12 queries of the last layer, which also
    # have the keys and values of the patches computed again.
    width, patches, queries = 24, 16, 12
    own = 17 * 8 * width**2 + 2 * 17 * 17 * width
    read = queries * 8 * width**2 + 2 * 2 * patches * width**2 + 2 * queries * patches * width
    rest = patches * 3 * 8 * 8 * width + queries * width * CLIP_DIMS
    assert tower.flops == 2 * (3 * (own + read) + rest)


def test_optimized_model_predicts_the_same(clip):
    model = build_detector(clip, box_bias=4.0)
    given = sample((64, 64))
    given.clip_image = torch.rand(3, IMAGE, IMAGE)
    expected = model.predict(batch(given), [given])[0].pred_hois
    found = optimize_for_inference(model).predict(batch(given), [given])[0].pred_hois
    torch.testing.assert_close(found.scores, expected.scores, rtol=0, atol=1e-5)


def test_missing_clip_image(clip):
    model = build_detector(clip)
    given = sample((64, 64))
    del given.clip_image
    with pytest.raises(
        ValueError, match=r'FrozenEncoderHead needs the image that CLIP sees: put MakeCLIPImage into every'
    ):
        model.predict(batch(given), [given])


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        (dict(reads='all'), "reads is one of 'blocks', 'tokens', 'both', not 'all'"),
        (dict(num_blocks=4), 'num_blocks is a whole number from 0 to 3, the number of blocks'),
        (dict(hoi_classifier=dict(type='TextClassifier', clip_dims=8, project=False)), 'clip_dims is 8'),
        (dict(clip='genvlkt://tiny_clip'), 'is no ViT'),
    ],
)
def test_impossible_settings(clip, changes, message):
    with pytest.raises(ValueError, match=message):
        MODELS.build(head_cfg() | settings(clip) | changes)


@pytest.mark.parametrize('reads', ['blocks', 'tokens', 'both'])
def test_noisy_queries_are_hidden_from_the_others(clip, inputs, reads):
    head = build(clip, reads, denoising=dict(group_cfg=dict(dynamic=False, num_groups=2)))
    targets = [head._relative_pairs(sample((60, 90), 2, seed=seed)) for seed in range(2)]
    with torch.no_grad():
        noisy = head.denoising(targets, head.obj_classifier.class_weights[0])
        plain, both = head(**inputs), head(**inputs, noisy=noisy)
    for name, values in plain.items():
        assert both[name].shape[2] > head.num_queries
        torch.testing.assert_close(both[name][:, :, : head.num_queries], values, rtol=0, atol=1e-4)
