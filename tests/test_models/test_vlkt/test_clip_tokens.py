"""The frozen image encoder against open_clip's own model."""

import pytest
import torch

from genvlkt_mmdet.models.vlkt import CLIPSource, CLIPTokens


@pytest.fixture
def images():
    return torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def tower(small_clip):
    tower = CLIPTokens(dict(model_name=str(small_clip[0])))
    tower.init_weights()
    return tower


def test_vit_gives_all_tokens_and_the_embedding_of_clip(tower, small_clip, images):
    visual = small_clip[1].visual
    with torch.no_grad():
        expected = small_clip[1].encode_image(images)
        tokens = visual.ln_post(visual.transformer(visual._embeds(images)))
    ours, embeds = tower(images)
    assert ours.shape == (2, 1 + 4, 32) and (tower.width, tower.embed_dims, tower.image_size) == (32, 32, 32)
    torch.testing.assert_close(ours, tokens)
    torch.testing.assert_close(embeds, expected)
    torch.testing.assert_close(tower.project(ours[:, 0]), expected)
    assert len(tower.blocks) == 1 and tower.embed(images).shape == ours.shape


def test_resnet_gives_the_cells_of_its_feature_map(images):
    tower = CLIPTokens('genvlkt://tiny_clip')
    tower.init_weights()
    images = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    tokens, embeds = tower(images)
    with torch.no_grad():
        torch.testing.assert_close(embeds, CLIPSource.from_cfg('genvlkt://tiny_clip').load_model().encode_image(images))
    assert tokens.shape == (2, 4, tower.width) and tower.project(tokens).shape == (2, 4, tower.embed_dims)
    # All cells equal, places without effect: the pool returns what it makes of a cell
    pool = tower.visual.attnpool
    pool.positional_embedding.zero_()
    cells = tokens[:, 0, :, None, None].expand(-1, -1, 2, 2)
    torch.testing.assert_close(pool(cells), tower.project(tokens[:, 0]))


def test_stays_frozen_and_passes_gradients_through_its_projection(tower, images):
    tower.train()
    assert not any(module.training for module in tower.modules())
    assert not any(parameter.requires_grad for parameter in tower.parameters())
    tokens, embeds = tower(images.requires_grad_())
    assert not tokens.requires_grad and not embeds.requires_grad
    tokens.requires_grad_()
    tower.project(tokens).sum().backward()
    assert tokens.grad.abs().sum() > 0


def test_needs_no_weights_to_be_built(tmp_path, images):
    absent = dict(model_name='ViT-B-32-quickgelu', pretrained='weights-that-are-absent')
    with torch.device('meta'):
        tower = CLIPTokens(absent)
    assert (tower.width, tower.embed_dims, tower.image_size) == (768, 512, 224)
    assert sum(p.numel() for p in tower.parameters()) == 87_849_216
    with pytest.raises(ValueError, match='no weights'):
        tower.check_files()
    # as in a checkpoint that was trained elsewhere
    with torch.device('meta'):
        tower = CLIPTokens(dict(model_name='ViT-B-32-quickgelu', pretrained='elsewhere/weights.pt'))
    with pytest.raises(ValueError, match="no weights 'elsewhere/weights.pt'.*there is no such file"):
        tower.check_files()
    with pytest.raises(FileNotFoundError, match='does not exist'):
        CLIPTokens(dict(pretrained='elsewhere/clip'))


def test_messages(tower):
    with pytest.raises(ValueError, match=r'set the size of MakeCLIPImage in every pipeline to 32'):
        tower(torch.zeros(1, 3, 64, 64))
    with torch.device('meta'), pytest.raises(ValueError, match="open_clip's own ViTs"):
        CLIPTokens(dict(model_name='coca_ViT-B-32', pretrained='none'))
    with pytest.raises(ValueError, match='neither an architecture'):
        CLIPTokens(dict(model_name='ViT-B-33', pretrained='none'))
