import gzip
import math

import numpy as np
import open_clip
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from genvlkt_mmdet.assets import asset_path
from genvlkt_mmdet.minihoi import tiny_clip
from genvlkt_mmdet.vocabulary import load_vocabulary

VOCAB = load_vocabulary('minihoi')


def test_learn_bpe_by_hand():
    """'ab' twice, 'abc' once: the pair a-b that ends a word is the most frequent, then a-b within 'abc', then ab-c."""
    assert tiny_clip.learn_bpe(['ab ab', 'abc']) == [('a', 'b</w>'), ('b', 'c</w>'), ('a', 'bc</w>')]


def test_learned_bpe_makes_a_word_one_token(tmp_path):
    prompts = [*VOCAB.hoi_prompts, *VOCAB.object_prompts]
    merges = tiny_clip.learn_bpe(prompts)
    path = tmp_path / 'bpe.txt.gz'
    path.write_bytes(gzip.compress('\n'.join(['#', *(' '.join(m) for m in merges)]).encode()))
    tokenizer = open_clip.SimpleTokenizer(bpe_path=str(path))
    for prompt in prompts:
        assert len(tokenizer.encode(prompt)) == len(prompt.split())
        assert tokenizer.decode(tokenizer.encode(prompt)).strip() == prompt
    assert len({tuple(tokenizer.encode(p)) for p in prompts}) == len(set(prompts))
    assert len(tokenizer.encode('zebra')) > 1


def test_render_captioned():
    images, hois, objects = tiny_clip.render_captioned(40, seed=3)
    again, *_ = tiny_clip.render_captioned(5, seed=3)
    other, *_ = tiny_clip.render_captioned(5, seed=4)
    assert images.shape == (40, 3, 64, 64) and images.dtype == torch.uint8
    assert torch.equal(images[:5], again) and not torch.equal(again, other)
    for actions, things in zip(hois, objects, strict=True):
        assert {VOCAB.hoi_objects[i] for i in actions} <= set(things)
    single = tiny_clip.render_captioned(30, seed=5, single_pair=1.0)[1]
    assert all(len(actions) == 1 for actions in single) and len(set(single)) > 15


def test_long_tail_makes_rare_classes_rare():
    counts = {}
    for long_tail in (False, True):
        _, hois, _ = tiny_clip.render_captioned(120, seed=6, single_pair=1.0, long_tail=long_tail)
        counts[long_tail] = sum(actions[0] in VOCAB.rare for actions in hois)
    assert counts[True] < counts[False] / 2


def test_true_captions():
    truth = tiny_clip._true_captions([(2, 5), (), ()], [(0, 1), (3,), ()], 6, 5)
    expected = torch.zeros(3, 11, dtype=torch.bool)
    expected[0, [2, 5, 6, 7]] = True
    expected[1, 9] = True
    expected[2, 10] = True
    assert torch.equal(truth, expected)


def test_draw_captions_draws_what_is_true():
    truth = tiny_clip._true_captions([(2, 5), (), ()] * 2000, [(0, 1), (3,), ()] * 2000, 6, 5)
    own = tiny_clip._draw_captions(truth, 6, np.random.default_rng(0))
    assert truth[torch.arange(6000), own].all()
    first = own[::3]
    assert (first < 6).float().mean().item() == pytest.approx(0.75, abs=0.03)
    assert (first == 2).float().mean().item() == pytest.approx(0.375, abs=0.03)


class Fixed(nn.Module):
    """A CLIP whose text embeddings are given: text j is row j of a table. Its unit image embeddings are ``pictures``."""

    def __init__(self, pictures: torch.Tensor, texts: torch.Tensor) -> None:
        super().__init__()
        self.pictures, self.texts = F.normalize(pictures, dim=-1), F.normalize(texts, dim=-1)
        self.logit_scale = torch.tensor(math.log(2.0))

    def encode_text(self, tokens, normalize):
        return self.texts[tokens[:, 0]]


def test_contrast_is_clips_loss_where_every_caption_has_one_picture():
    torch.manual_seed(0)
    model = Fixed(torch.randn(4, 8), torch.randn(5, 8))
    own = torch.tensor([3, 0, 4, 1])
    true = F.one_hot(own, 5).bool()
    loss = tiny_clip._contrast(model, model.pictures, torch.arange(5)[:, None], own, true)
    logits = 2.0 * model.pictures @ model.texts[own].T
    target = torch.arange(4)
    expected = (F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target)) / 2
    torch.testing.assert_close(loss, expected)


def test_contrast_ignores_other_true_captions_and_spreads_over_pictures():
    torch.manual_seed(1)
    model = Fixed(torch.randn(3, 8), torch.randn(2, 8))
    own = torch.tensor([0, 1, 1])
    true = torch.tensor([[True, True], [False, True], [False, True]])
    loss = tiny_clip._contrast(model, model.pictures, torch.arange(2)[:, None], own, true)
    logits = (2.0 * model.pictures @ model.texts.T).double()
    p = logits.softmax(1)
    by_picture = -(0.0 + p[1, 1].log() + p[2, 1].log()) / 3  # the first picture has no false caption left
    q = logits.softmax(0)
    by_caption = -(q[0, 0].log() + q[:, 1].log().mean()) / 2 - math.log(3) / 2
    torch.testing.assert_close(loss.double(), (by_picture + by_caption) / 2)


def test_training_writes_a_small_model_and_repeats(tmp_path):
    settings = dict(num_images=60, steps=6, batch_size=32, eval_images=40)
    measured = tiny_clip.train_tiny_clip(tmp_path / 'a', **settings)
    assert set(measured) == {'hoi', 'verb', 'object', 'nothing', 'feature_scale'}
    state = open_clip.factory.load_state_dict(str(tmp_path / 'a' / 'open_clip_model.safetensors'))
    assert {v.dtype for v in state.values()} == {torch.float16, torch.int64}
    assert sum(p.stat().st_size for p in (tmp_path / 'a').iterdir()) < 4e6
    assert measured['feature_scale'] == pytest.approx(tiny_clip.FEATURE_SCALE, abs=0.05)
    assert tiny_clip.train_tiny_clip(tmp_path / 'b', **settings) == measured
    names = ('bpe.txt.gz', 'open_clip_config.json', 'open_clip_model.safetensors')
    assert all((tmp_path / 'a' / n).read_bytes() == (tmp_path / 'b' / n).read_bytes() for n in names)


def test_vit_with_a_teacher_keeps_its_text_encoder(tmp_path):
    settings = dict(num_images=40, steps=3, batch_size=16, eval_images=20, vision='vit', teacher='genvlkt://tiny_clip')
    measured = tiny_clip.train_tiny_clip(tmp_path / 'a', **settings, max_shift=2)
    state = open_clip.factory.load_state_dict(str(tmp_path / 'a' / 'open_clip_model.safetensors'))
    taught = open_clip.factory.load_state_dict(str(asset_path('tiny_clip') / 'open_clip_model.safetensors'))
    text = [name for name in taught if not name.startswith('visual.')]
    assert len(text) > 20 and all(torch.equal(state[name], taught[name]) for name in text)
    assert state['visual.positional_embedding'].shape == (65, 128)
    assert measured['feature_scale'] == pytest.approx(tiny_clip.FEATURE_SCALE, abs=0.05)

    tiny_clip.train_tiny_clip(tmp_path / 'b', **settings, max_shift=2, float8=True)
    small = open_clip.factory.load_state_dict(str(tmp_path / 'b' / 'open_clip_model.safetensors'))
    assert {v.dtype for v in small.values()} == {torch.float16, torch.float8_e4m3fn}
    for name, value in small.items():
        exact = state[name].float()
        # 3 bits of mantissa: half of 1/8, and half of the smallest step, 2 ** -9, near zero
        allowed = exact.abs() / 16 + 2**-10 if value.dtype == torch.float8_e4m3fn else torch.zeros(())
        assert (value.float() - exact).abs().le(allowed + 1e-6).all(), name
    # open_clip itself loads such a file
    model = open_clip.create_model(f'local-dir:{tmp_path / "b"}')
    assert torch.equal(model.visual.proj, small['visual.proj'].float())


def test_shifted_images():
    images = torch.arange(2 * 3 * 6 * 6, dtype=torch.uint8).view(2, 3, 6, 6)
    assert tiny_clip._shifted(images, 0, np.random.default_rng(0)) is images
    draws = np.random.default_rng(0).integers(5, size=(2, 2))
    shifted = tiny_clip._shifted(images, 2, np.random.default_rng(0))
    for image, result, dy, dx in zip(images, shifted, *draws, strict=True):
        rows, columns = (np.clip(np.arange(6) + d - 2, 0, 5) for d in (dy, dx))
        assert torch.equal(result, image[:, rows][:, :, columns].float())
