import json

import open_clip
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from genvlkt_mmdet.models.vlkt import (
    CLIPSource,
    MissingPromptsError,
    StaleCacheError,
    compute_text_embeddings,
    encode_new_text,
    encode_text,
    load_text_embeddings,
    save_text_embeddings,
)
from genvlkt_mmdet.models.vlkt import text_embeddings as module
from genvlkt_mmdet.vocabulary import load_vocabulary

from .conftest import write_model

PROMPTS = ['a photo of a person riding a horse', 'a photo of a dog', 'a photo of nothing']


@torch.no_grad()
def reference(model: open_clip.CLIP, prompts: list[str]) -> torch.Tensor:
    """open_clip's own embeddings, one prompt at a time."""
    tokenizer = open_clip.SimpleTokenizer(context_length=77)
    return torch.cat([model.encode_text(tokenizer([p])) for p in prompts])


def forbid_encoding(monkeypatch) -> None:
    def fail(*args, **kwargs):
        raise AssertionError('the model was used')

    monkeypatch.setattr(module, 'compute_text_embeddings', fail)


def test_equals_open_clip(small_clip):
    folder, model = small_clip
    embeddings = encode_text(PROMPTS, dict(model_name=str(folder)))
    assert embeddings.dtype == torch.float32 and embeddings.shape == (3, 32) and not embeddings.requires_grad
    torch.testing.assert_close(embeddings, reference(model, PROMPTS), rtol=0, atol=1e-6)
    assert (embeddings.norm(dim=1) - 1).abs().min() > 0.1  # not normalised


@pytest.mark.parametrize('name, counts', [('hico', (600, 81)), ('vcoco', (263, 82))])
def test_full_vocabularies(small_clip, name, counts):
    folder, model = small_clip
    vocab = load_vocabulary(name)
    for prompts, count in zip((vocab.hoi_prompts, vocab.object_prompts), counts, strict=True):
        embeddings = encode_text(prompts, str(folder))
        assert embeddings.shape == (count, 32)
        rows = [0, count // 2, count - 1]
        torch.testing.assert_close(embeddings[rows], reference(model, [prompts[i] for i in rows]), rtol=0, atol=1e-6)


def test_named_architecture_with_weights_file(tmp_path, monkeypatch):
    model = write_model(tmp_path / 'copy', seed=3)
    weights = tmp_path / 'copy' / 'open_clip_model.safetensors'
    config = json.loads((tmp_path / 'copy' / 'open_clip_config.json').read_text())['model_cfg']
    monkeypatch.setitem(open_clip.factory._MODEL_CONFIGS, 'small-test', config)
    expected = reference(model, PROMPTS)
    got = compute_text_embeddings(PROMPTS, dict(model_name='small-test', pretrained=str(weights)))
    torch.testing.assert_close(got, expected, rtol=0, atol=1e-6)
    # a folder that holds nothing but the weights
    (tmp_path / 'copy' / 'open_clip_config.json').unlink()
    got = compute_text_embeddings(PROMPTS, dict(model_name='small-test', pretrained=str(tmp_path / 'copy')))
    torch.testing.assert_close(got, expected, rtol=0, atol=1e-6)


@pytest.mark.filterwarnings('ignore::FutureWarning')
def test_openai_archive(tmp_path, monkeypatch, small_clip):
    """OpenAI's .pt files are TorchScript archives with three entries beside the weights."""
    folder, model = small_clip
    config = json.loads((folder / 'open_clip_config.json').read_text())['model_cfg']
    monkeypatch.setitem(open_clip.factory._MODEL_CONFIGS, 'small-test', config)

    class Holder(torch.nn.Module):
        def forward(self, x):
            return x

    holder = Holder()
    for name, value in (*model.state_dict().items(), ('input_resolution', torch.tensor(32))):
        parent = holder
        *path, leaf = name.split('.')
        for part in path:
            if not hasattr(parent, part):
                parent.add_module(part, Holder())
            parent = getattr(parent, part)
        parent.register_buffer(leaf, value.half() if value.is_floating_point() else value)
    torch.jit.script(holder).save(str(tmp_path / 'small.pt'))
    got = compute_text_embeddings(PROMPTS, dict(model_name='small-test', pretrained=str(tmp_path / 'small.pt')))
    torch.testing.assert_close(got, reference(model, PROMPTS), rtol=0, atol=2e-2)  # weights in half precision


def test_second_call_reads_the_cache(small_clip, cache, monkeypatch):
    folder, _ = small_clip
    first = encode_text(PROMPTS, str(folder))
    (file,) = cache.iterdir()
    with safe_open(str(file), framework='pt') as opened:
        metadata = opened.metadata()
    assert metadata['model'] == 'small' and json.loads(metadata['prompts']) == PROMPTS
    assert metadata['weights_sha256'] == CLIPSource.from_cfg(str(folder)).fingerprint()
    forbid_encoding(monkeypatch)
    assert torch.equal(encode_text(PROMPTS, str(folder)), first)


def test_changed_weights_are_noticed(tmp_path, cache):
    write_model(tmp_path / 'clip', seed=1)
    first = encode_text(PROMPTS, str(tmp_path / 'clip'))
    other = write_model(tmp_path / 'clip', seed=2)
    second = encode_text(PROMPTS, str(tmp_path / 'clip'))
    assert (first - second).abs().max() > 0.1
    torch.testing.assert_close(second, reference(other, PROMPTS), rtol=0, atol=1e-6)


def test_damaged_cache_file_is_made_anew(small_clip, cache):
    folder, _ = small_clip
    first = encode_text(PROMPTS, str(folder))
    (file,) = cache.iterdir()
    file.write_bytes(b'not a cache')
    assert torch.equal(encode_text(PROMPTS, str(folder)), first)
    assert torch.equal(load_file(str(file))['text_embeddings'], first)


def test_cache_folder_that_cannot_be_written(small_clip, tmp_path, monkeypatch):
    (tmp_path / 'file').write_text('')
    monkeypatch.setenv('GENVLKT_CACHE', str(tmp_path / 'file'))
    assert encode_text(PROMPTS, str(small_clip[0])).shape == (3, 32)


def test_named_file(small_clip, tmp_path, monkeypatch):
    folder, model = small_clip
    clip = dict(model_name=str(folder), text_embeddings=str(tmp_path / 'here' / 'x.safetensors'))
    embeddings = encode_text(PROMPTS, clip)  # writes it
    forbid_encoding(monkeypatch)
    assert torch.equal(encode_text(PROMPTS, clip), embeddings)
    assert torch.equal(encode_text(PROMPTS[::-1], clip), embeddings.flip(0))
    assert torch.equal(encode_text(PROMPTS[1:2], clip), embeddings[1:2])


def test_named_file_with_other_prompts_is_refused(small_clip, tmp_path):
    clip = dict(model_name=str(small_clip[0]), text_embeddings=str(tmp_path / 'x.safetensors'))
    encode_text(PROMPTS, clip)
    with pytest.raises(StaleCacheError, match=r"other prompts: it lacks 1 of 2, first 'a photo of a cat'"):
        encode_text(['a photo of a dog', 'a photo of a cat'], clip)


def test_named_file_of_another_model_is_refused(small_clip, tmp_path):
    write_model(tmp_path / 'other', seed=5)
    file = tmp_path / 'x.safetensors'
    encode_text(PROMPTS, dict(model_name=str(tmp_path / 'other'), text_embeddings=str(file)))
    with pytest.raises(StaleCacheError, match="CLIP 'other' with other weights"):
        encode_text(PROMPTS, dict(model_name=str(small_clip[0]), text_embeddings=str(file)))
    with pytest.raises(StaleCacheError, match="of CLIP 'other', not of 'ViT-B-32-quickgelu/openai'"):
        load_text_embeddings(file, PROMPTS, dict(model_name='ViT-B-32-quickgelu', pretrained='openai'))


def test_file_without_metadata_is_refused(small_clip, tmp_path):
    save_file(dict(text_embeddings=torch.zeros(3, 32)), str(tmp_path / 'x.safetensors'))
    with pytest.raises(StaleCacheError, match='no readable file of text embeddings'):
        encode_text(PROMPTS, dict(model_name=str(small_clip[0]), text_embeddings=str(tmp_path / 'x.safetensors')))


def test_file_of_a_tag_needs_no_weights(tmp_path, monkeypatch):
    """A file made on another machine serves where the weights are absent."""
    clip = dict(model_name='ViT-B-32-quickgelu', pretrained='openai', text_embeddings=str(tmp_path / 'x.safetensors'))
    embeddings = torch.randn(3, 512)
    save_text_embeddings(tmp_path / 'x.safetensors', PROMPTS, embeddings, clip)
    forbid_encoding(monkeypatch)
    assert torch.equal(encode_text(PROMPTS, clip), embeddings)


@pytest.mark.parametrize('prompts', [[], 'a photo of a dog'])
def test_no_prompts(small_clip, prompts):
    with pytest.raises(ValueError, match='at least one prompt'):
        encode_text(prompts, str(small_clip[0]))


def test_prompts_that_come_up_later(small_clip, tmp_path, monkeypatch, cache):
    """A named file that was made for the training does not keep the model from encoding what is new."""
    folder, model = small_clip
    named = tmp_path / 'training.safetensors'
    clip = dict(model_name=str(folder), text_embeddings=str(named))
    save_text_embeddings(named, PROMPTS[:2], torch.arange(64.0).view(2, 32), str(folder))
    before = named.read_bytes()
    assert torch.equal(encode_new_text(PROMPTS[1:2], clip), torch.arange(32.0, 64)[None])  # read, not computed
    torch.testing.assert_close(encode_new_text(PROMPTS, clip), reference(model, PROMPTS), rtol=0, atol=1e-6)
    assert named.read_bytes() == before and len(list(cache.iterdir())) == 1
    forbid_encoding(monkeypatch)
    torch.testing.assert_close(encode_new_text(PROMPTS, clip), reference(model, PROMPTS), rtol=0, atol=1e-6)
    # without the model the file is all there is
    monkeypatch.setattr(CLIPSource, 'local_weights', lambda self: None)
    with pytest.raises(MissingPromptsError, match="lacks 1 of 3, first 'a photo of nothing'"):
        encode_new_text(PROMPTS, clip)


def test_full_or_read_only_disk_under_the_cache_is_only_a_warning(small_clip, cache, monkeypatch):
    """The cache is optional: neither reading nor writing it may end anything."""
    import os
    from pathlib import Path

    folder, model = small_clip

    def full(handle):
        raise OSError(28, 'No space left on device')

    with monkeypatch.context() as patch:
        patch.setattr(os, 'fsync', full)
        torch.testing.assert_close(encode_text(PROMPTS, str(folder)), reference(model, PROMPTS), rtol=0, atol=1e-6)
    assert list(cache.iterdir()) == []
    encode_text(PROMPTS, str(folder))

    exists = Path.exists

    def closed(path):
        if path.is_relative_to(cache):
            raise PermissionError(13, 'Permission denied')
        return exists(path)

    monkeypatch.setattr(Path, 'exists', closed)
    monkeypatch.setattr(module, 'write_file', lambda path, content: closed(path))
    torch.testing.assert_close(encode_text(PROMPTS, str(folder)), reference(model, PROMPTS), rtol=0, atol=1e-6)
