"""HOICLIPHead inside a small detector; its numbers against the authors' code: tests/parity/test_hoiclip.py."""

import copy
import pickle

import pytest
import torch
from mmdet.registry import MODELS
from mmengine.config import Config
from torch.nn.functional import layer_norm, multi_head_attention_forward, normalize

from genvlkt_mmdet.engine.checkpoints import fitting_weights, match_classes
from genvlkt_mmdet.export import write_exported
from genvlkt_mmdet.models import optimize_for_inference
from genvlkt_mmdet.models.complexity import model_complexity
from genvlkt_mmdet.models.layers.transformer import FusionDecoderLayer
from genvlkt_mmdet.vocabulary import load_vocabulary
from tests.test_models.test_optimization import BACKBONE, assert_alike
from tests.test_models.test_vlkt.conftest import small_clip  # noqa: F401
from tests.test_models.tiny import HICO_LIKE, batch, detector_cfg, sample

WIDTH = 32  # of the small CLIP's tokens and embeddings
SIZES = ((64, 96), (96, 64))


@pytest.fixture(autouse=True)
def _cache(tmp_path, monkeypatch):
    monkeypatch.setenv('GENVLKT_CACHE', str(tmp_path / 'cache'))


@pytest.fixture
def clip(small_clip):  # noqa: F811
    return dict(model_name=str(small_clip[0]))


def cfg_of(clip, **kwargs):
    attention = dict(num_heads=2, dropout=0.0)
    ffn = dict(feedforward_channels=24, ffn_drop=0.0)
    own = dict(
        type='HOICLIPHead',
        fusion_decoder=dict(
            num_layers=2, layer_cfg=dict(self_attn_cfg=attention, cross_attn_cfg=attention, ffn_cfg=ffn)
        ),
        hoi_classifier=dict(type='TextVerbClassifier', clip=clip, clip_dims=WIDTH, frozen=True),
        obj_classifier=dict(type='TextClassifier', clip=clip, clip_dims=WIDTH, frozen=True),
    )
    cfg = detector_cfg(mimic=False, backbone=BACKBONE, **(own | kwargs))
    cfg['bbox_head']['clip'] = clip
    return cfg


def build(clip, **kwargs):
    torch.manual_seed(0)
    model = MODELS.build(cfg_of(clip, **kwargs))
    model.init_weights()
    return model.eval()


def samples(padded=True):
    result = [sample(SIZES[0]), sample(SIZES[1], seed=1)] if padded else [sample(SIZES[0])]
    for i, item in enumerate(result):
        item.clip_image = torch.randn(3, 32, 32, generator=torch.Generator().manual_seed(i))
    return result


def predicted(model, padded=True):
    with torch.no_grad():
        found = model(batch(*samples(padded)), samples(padded), mode='predict')
    return [item.pred_hois for item in found]


def test_fusion_layer_adds_two_attentions_of_the_same_weights():
    torch.manual_seed(0)
    attention = dict(embed_dims=8, num_heads=2)
    ffn = dict(embed_dims=8, feedforward_channels=12)
    layer = FusionDecoderLayer(self_attn_cfg=attention, cross_attn_cfg=attention, ffn_cfg=ffn).eval()
    for norm in layer.norms:
        torch.nn.init.uniform_(norm.weight, 0.5, 1.5)
    query, tokens, memory = (torch.randn(2, n, 8) for n in (3, 4, 5))

    def attend(block, query, key):
        attn = block.attn
        args = (
            attn.in_proj_weight,
            attn.in_proj_bias,
            None,
            None,
            False,
            0.0,
            attn.out_proj.weight,
            attn.out_proj.bias,
        )
        q, k = query.transpose(0, 1), key.transpose(0, 1)
        return multi_head_attention_forward(q, k, k, 8, 2, *args, training=False)[0].transpose(0, 1)

    def norm(index, x):
        return layer_norm(x, (8,), layer.norms[index].weight, layer.norms[index].bias)

    x = norm(0, query + attend(layer.self_attn, query, query))
    x = norm(1, x + attend(layer.cross_attn, x, tokens)) + norm(1, x + attend(layer.cross_attn, x, memory))
    first, second = layer.ffn.layers[0][0], layer.ffn.layers[1]
    x = norm(2, x + second(first(x).relu()))
    torch.testing.assert_close(layer(query, tokens, memory), x)


def test_interaction_branch(clip):
    head = build(clip).bbox_head
    assert not hasattr(head, 'interaction_decoder')
    torch.manual_seed(1)
    memory, pos, images = torch.randn(2, 9, 32), torch.randn(2, 9, 32), torch.randn(2, 3, 32, 32)
    mask = torch.zeros(2, 9, dtype=torch.bool)
    with torch.no_grad():
        outputs = head(memory, pos, mask, images)
        human, obj = head._decode_instances(memory, pos, mask)
        tokens, embeds = head.clip(images)
        queries = head.query_proj((human[-1] + obj[-1]) / 2)
        features = head.clip.project(head.fusion_decoder(queries, tokens, head.memory_proj(memory)))
    assert outputs['hoi_embeds'].shape == (2, 2, 6, WIDTH) and outputs['hoi_logits'].shape == (2, 2, 6, 5)
    torch.testing.assert_close(outputs['hoi_embeds'], features)
    torch.testing.assert_close(outputs['clip_embeds'][0], embeds)
    # Padded cells of the memory are read, other than by the instances.
    mask[:, 6:] = True
    with torch.no_grad():
        other = head._decode_interactions(human, obj, memory * (~mask[..., None]), pos, mask, tokens)
    assert not torch.allclose(other, features)


def test_training_step(clip):
    """The optimiser gets gradients for everything but the frozen parts, and the instance decoder learns from interactions."""
    model = build(clip).train()
    assert not model.bbox_head.clip.training
    losses = model.loss(batch(*samples()), samples())
    assert set(losses) == {f'{p}loss_{k}' for p in ('', 'd0.') for k in LOSSES}
    sum(losses.values()).backward()
    frozen = {n for n, p in model.named_parameters() if not p.requires_grad}
    without = {n for n, p in model.named_parameters() if p.grad is None}
    assert frozen == without
    rows = {f'bbox_head.{c}_classifier.fc.{k}' for c in ('hoi', 'obj') for k in ('weight', 'bias')}
    assert {n for n in frozen if not n.startswith(('bbox_head.clip.', 'backbone.'))} == rows
    model.zero_grad()
    model.loss(batch(*samples()), samples())['loss_hoi'].backward()
    assert model.bbox_head.instance_decoder.layers[0].ffn.layers[1].weight.grad.abs().sum() > 0
    assert model.bbox_head.human_box_mlp[0].weight.grad is None


LOSSES = ('hoi', 'obj', 'human_bbox', 'object_bbox', 'human_iou', 'object_iou')


def test_training_in_bfloat16(clip):
    model = build(clip).train()
    exact = model.loss(batch(*samples()), samples())
    with torch.autocast('cpu', torch.bfloat16):
        losses = model.loss(batch(*samples()), samples())
    sum(losses.values()).backward()
    for name, value in losses.items():
        torch.testing.assert_close(value, exact[name], rtol=0.1, atol=0.05, check_dtype=True)


def test_activation_checkpointing_changes_no_gradient(clip):
    grads = []
    for with_cp in (False, True):
        model = build(clip).train()
        for module in model.modules():
            if hasattr(module, 'with_cp'):
                module.with_cp = with_cp
        assert model.bbox_head.fusion_decoder.with_cp == with_cp
        sum(model.loss(batch(*samples()), samples()).values()).backward()
        grads.append({n: p.grad for n, p in model.named_parameters() if p.grad is not None})
    for name, grad in grads[0].items():
        torch.testing.assert_close(grads[1][name], grad)


def test_a_checkpoint_needs_no_clip(clip):
    model = build(clip)
    absent = dict(model_name=clip['model_name'])
    own = MODELS.build(cfg_of(absent)).eval()
    own.expect_weights(frozenset(model.state_dict()))
    assert own.bbox_head.clip.is_init and own.bbox_head.hoi_classifier.is_init and not own.needs_start
    own.load_state_dict(model.state_dict())
    assert_alike(predicted(own), predicted(model))
    # without CLIP in it, the file is read
    other = MODELS.build(cfg_of(clip))
    other.expect_weights(frozenset(n for n in model.state_dict() if '.clip.' not in n))
    assert not other.bbox_head.clip.is_init and not other.needs_start
    other.check_files()


def test_optimised_copied_and_half(clip):
    model = build(clip)
    expected = predicted(model)
    assert_alike(predicted(pickle.loads(pickle.dumps(model))), expected)
    assert_alike(predicted(optimize_for_inference(copy.deepcopy(model), 'float32')), expected)
    assert_alike(predicted(optimize_for_inference(copy.deepcopy(model), 'float32', compile='eager')), expected)
    half = copy.deepcopy(model).bfloat16()
    outputs = half(batch(*samples()), samples(), mode='tensor')
    assert outputs['hoi_logits'].dtype == torch.bfloat16
    assert all(result.scores.dtype == torch.float32 for result in predicted(half))


def test_attention_is_that_to_the_memory(clip):
    model = build(clip)
    found, instance, interaction = model.predict_with_attention(batch(*samples()), samples())
    assert_alike([item.pred_hois for item in found], predicted(model))
    for attention in (instance, interaction):
        assert attention.shape == (2, 6, 3, 3)
        torch.testing.assert_close(attention.sum((2, 3)), torch.ones(2, 6))


def test_open_vocabulary(clip):
    model = build(clip)
    before = predicted(model)
    model.set_vocabulary([('ride', 'horse'), 'a person holding an umbrella', 'a person feeding a horse'])
    classifier = model.bbox_head.hoi_classifier
    assert classifier.new_verb_table.tolist() == [[1, 0.5], [0, 0.5]]  # hold; feed is new
    assert all(set(result.hoi_labels.tolist()) <= {0, 1, 2} for result in predicted(model))
    model.reset_vocabulary()
    assert_alike(predicted(model), before)


def test_prior_raises_what_clip_sees(clip):
    model, plain = build(clip, clip_prior=dict(top_k=2, weight=3.0)), build(clip)
    embeds = plain.bbox_head.clip(torch.stack([s.clip_image for s in samples()]))[1]
    cosines = normalize(embeds, dim=-1) @ plain.bbox_head.hoi_classifier.text_rows.t()
    kept = cosines * (cosines >= cosines.topk(2).values[:, -1:])
    for result, without, added in zip(predicted(model), predicted(plain), 3 * kept.sigmoid(), strict=True):
        scores = {(q, h): s for q, h, s in zip(*(without[k].tolist() for k in ('query_ids', 'hoi_labels', 'scores')))}
        for query, hoi, score in zip(*(result[k].tolist() for k in ('query_ids', 'hoi_labels', 'scores'))):
            assert score == pytest.approx(scores[query, hoi] + added[hoi].item(), abs=1e-5)


def test_other_classes_keep_their_rows_and_make_their_table(clip):
    trained = build(clip)
    own_cfg = cfg_of(clip)
    own_cfg['bbox_head']['vocabulary'] = dict(HICO_LIKE, name='own', hois=HICO_LIKE['hois'][::-1])
    own = MODELS.build(own_cfg)
    table = own.bbox_head.hoi_classifier.verb_table.clone()
    meta = dict(dataset_meta=dict(vocabulary=load_vocabulary(HICO_LIKE).to_dict(), zero_shot=None))
    checkpoint = dict(state_dict=dict(trained.state_dict()), meta=meta)
    names = set(own.state_dict()) - fitting_weights(own, checkpoint, 'a.pth')
    assert {n.split('.', 2)[2] for n in names} == {'fc.weight', 'fc.bias', 'verb_fc.weight', 'verb_table'}
    match_classes(own, checkpoint, 'a.pth')
    own.load_state_dict(checkpoint['state_dict'], strict=False)
    assert torch.equal(own.bbox_head.hoi_classifier.verb_table, table)
    ours, theirs = (m.bbox_head.hoi_classifier for m in (own, trained))
    assert torch.equal(ours.fc.weight, theirs.fc.weight.flip(0))
    assert torch.equal(ours.verb_fc.weight, theirs.verb_fc.weight)


def test_complexity_counts_clip(clip):
    model = build(clip)
    parts = {part.name: part for part in model_complexity(model, SIZES[0])}
    assert list(parts)[3:] == ['instance decoder', 'CLIP image encoder', 'fusion decoder', 'heads', 'total']
    encoder = parts['CLIP image encoder']
    assert encoder.trained == 0 and encoder.frozen == sum(p.numel() for p in model.bbox_head.clip.parameters())
    tokens = 5
    patches = 2 * 4 * 3 * 16 * 16 * WIDTH
    block = 2 * tokens * WIDTH * (4 + 8) * WIDTH + 4 * tokens**2 * WIDTH
    assert encoder.flops == pytest.approx(patches + block + 2 * WIDTH * WIDTH, rel=0.05)
    assert parts['total'].flops == sum(p.flops for n, p in parts.items() if n != 'total')


def test_messages(clip, tmp_path):
    model = build(clip)
    without = samples()
    for item in without:
        del item.clip_image
    for mode in ('loss', 'predict', 'tensor'):
        with pytest.raises(
            ValueError, match='HOICLIPHead needs the image that CLIP sees: put MakeCLIPImage into every'
        ):
            model(batch(*without), without, mode=mode)
    with pytest.raises(ValueError, match='a HOICLIPHead cannot be exported'):
        write_exported(model, Config(), tmp_path / 'model.onnx', 'onnx')
    with pytest.raises(ValueError, match='decoder has 2 layers and fusion_decoder 1'):
        build(clip, fusion_decoder=dict(cfg_of(clip)['bbox_head']['fusion_decoder'], num_layers=1))
    with pytest.raises(ValueError, match='hoi_classifier must have text'):
        build(clip, clip_prior=dict(), hoi_classifier=dict(type='LinearClassifier'))
    with pytest.raises(ValueError, match='whole number of at least 1, not 0'):
        build(clip, clip_prior=dict(top_k=0))


def test_noisy_queries_are_decoded_too_and_hidden_from_the_others(clip):
    model = build(clip, denoising=dict(group_cfg=dict(dynamic=False, num_groups=2)))
    items = samples(padded=False)
    head, encoded = model.bbox_head, model.encode(batch(*items), items)
    clip_images = head.clip_images(items)
    targets = [head._relative_pairs(item) for item in items]
    with torch.no_grad():
        plain, noisy = (
            head(**encoded, clip_images=clip_images, noisy=noise)
            for noise in (None, head.denoising(targets, head.obj_classifier.class_weights[0]))
        )
    count = head.num_queries
    assert noisy['hoi_logits'].shape[2] > count
    torch.testing.assert_close(noisy['hoi_logits'][:, :, :count], plain['hoi_logits'], rtol=0, atol=1e-4)
    losses = model.train().loss(batch(*items), items)
    assert all(losses[f'{layer}dn_loss_hoi'] > 0 for layer in ('', 'd0.'))
