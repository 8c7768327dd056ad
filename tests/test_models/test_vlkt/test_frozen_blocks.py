"""Queries in the frozen blocks of a ViT: :meth:`CLIPTokens.block_inputs` and :meth:`CLIPTokens.read`."""

import json

import open_clip
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from genvlkt_mmdet.models.vlkt import CLIPTokens

MODEL_CFG = dict(
    embed_dim=12,
    vision_cfg=dict(image_size=32, layers=3, width=32, head_width=8, patch_size=8, mlp_ratio=2.0),
    text_cfg=dict(context_length=8, vocab_size=100, width=16, heads=2, layers=1),
)


@pytest.fixture(scope='module')
def clip(tmp_path_factory):
    """A random ViT of 3 blocks with a class token and 16 patches, and open_clip's own model with the same weights."""
    folder = tmp_path_factory.mktemp('clip') / 'vit'
    folder.mkdir()
    torch.manual_seed(0)
    model = open_clip.CLIP(**MODEL_CFG).eval()
    (folder / 'open_clip_config.json').write_text(json.dumps(dict(model_cfg=MODEL_CFG, preprocess_cfg={})))
    save_file({k: v.contiguous() for k, v in model.state_dict().items()}, str(folder / 'open_clip_model.safetensors'))
    tokens = CLIPTokens(str(folder))
    tokens.init_weights()
    return tokens, model


@pytest.fixture
def images():
    return torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize('num_blocks', [0, 1, 3])
def test_the_class_token_as_a_query_becomes_clips_own_embedding(clip, images, num_blocks):
    tokens, model = clip
    inputs = tokens.block_inputs(images, num_blocks)
    assert len(inputs) == num_blocks + 1
    found = tokens.read(inputs[0][:, :1].expand(-1, 4, -1), inputs)
    expected = model.encode_image(images)
    torch.testing.assert_close(found, expected[:, None].expand_as(found), rtol=0, atol=1e-5)


def test_block_inputs_are_the_tokens_of_open_clip(clip, images):
    tokens, model = clip
    inputs = tokens.block_inputs(images, 2)
    expected = model.visual.forward_intermediates(images, output_fmt='NLC', output_extra_tokens=True)
    for found, patches, class_token in zip(
        inputs, expected['image_intermediates'], expected['image_intermediates_prefix'], strict=True
    ):
        torch.testing.assert_close(found, torch.cat([class_token, patches], 1), rtol=0, atol=1e-5)


def test_queries_with_a_bias_by_an_independent_formula(clip, images):
    """One block, with torch's own attention: keys are the patches and the query itself, with a mask of logits."""
    tokens, model = clip
    inputs = tokens.block_inputs(images, 1)
    torch.manual_seed(2)
    queries, bias = torch.randn(2, 5, 32), 3 * torch.randn(2, 5, 16)
    found = tokens.read(queries, inputs, bias)
    block, visual = model.visual.transformer.resblocks[-1], model.visual
    for image in range(2):
        for number in range(5):
            query = queries[image, number][None, None]  # (1, 1, W)
            keys = block.ln_1(torch.cat([inputs[0][image : image + 1, 1:], query], 1))
            mask = torch.cat([bias[image, number], torch.zeros(1)])[None]
            attended = block.attn(block.ln_1(query), keys, keys, attn_mask=mask)[0]
            x = query + attended
            x = x + block.mlp(block.ln_2(x))
            expected = (visual.ln_post(x) @ visual.proj)[0, 0]
            torch.testing.assert_close(found[image, number], expected, rtol=0, atol=1e-5)


def test_a_query_does_not_depend_on_the_others(clip, images):
    tokens, _ = clip
    inputs = tokens.block_inputs(images, 3)
    queries = torch.randn(2, 5, 32, generator=torch.Generator().manual_seed(3))
    before = [x.clone() for x in inputs]
    together = tokens.read(queries, inputs)
    alone = torch.cat([tokens.read(query, inputs) for query in queries.split(1, dim=1)], 1)
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-6)
    assert all(torch.equal(x, y) for x, y in zip(inputs, before, strict=True))


def test_patches_with_a_large_negative_bias_are_not_seen(clip, images):
    tokens, _ = clip
    bias = torch.zeros(2, 1, 16)
    bias[..., 8:] = -1e4
    other = images.clone()
    other[:, :, 16:] = torch.randn(2, 3, 16, 32)  # the lower half: patches 8 to 15
    queries = torch.randn(2, 1, 32, generator=torch.Generator().manual_seed(4))
    # With one block, the patches come from blocks before, which see all: replace only what the block gets.
    inputs = tokens.block_inputs(images, 1)
    changed = [inputs[0].clone(), inputs[1]]
    changed[0][:, 9:] = tokens.block_inputs(other, 1)[0][:, 9:]
    torch.testing.assert_close(
        tokens.read(queries, inputs, bias), tokens.read(queries, changed, bias), rtol=0, atol=1e-6
    )
    assert not torch.allclose(tokens.read(queries, inputs), tokens.read(queries, changed), atol=1e-4)


def test_gradients_reach_the_queries_and_not_the_tower(clip, images):
    tokens, _ = clip
    queries = nn.Parameter(torch.randn(2, 5, 32))
    tokens.train()
    assert not tokens.visual.training
    tokens.read(queries, tokens.block_inputs(images, 3)).square().sum().backward()
    assert queries.grad.abs().flatten(2).sum(-1).gt(0).all()
    assert all(p.grad is None and not p.requires_grad for p in tokens.parameters())
