import logging

import open_clip
import pytest
import torch

from genvlkt_mmdet.models.vlkt import (
    CLIPSource,
    build_teacher,
    clip_source,
    compute_text_embeddings,
    image_transform,
    save_clip_model,
)

from .conftest import write_model


def test_ways_to_name_a_folder(small_clip):
    folder = small_clip[0]
    settings = [str(folder), dict(model_name=str(folder)), dict(pretrained=str(folder)), f'local-dir:{folder}']
    assert {CLIPSource.from_cfg(s).folder for s in settings} == {folder}
    assert CLIPSource.from_cfg(settings[0]).label == 'small'
    tag = CLIPSource.from_cfg(dict(model_name='ViT-B-32-quickgelu', pretrained='openai'))
    assert tag.label == 'ViT-B-32-quickgelu/openai' and tag.folder is None and tag.weights is None


@pytest.mark.parametrize(
    'clip, error, message',
    [
        (dict(model='ViT-B-32'), TypeError, "Unknown key 'model'.*model_name, pretrained, text_embeddings"),
        (dict(model_name='ViT-B-32'), ValueError, "needs 'model_name'.*and 'pretrained'"),
        (dict(pretrained='openai'), ValueError, "needs 'model_name'"),
        (dict(model_name='ViT-B-32', pretrained='absent/x.pt'), FileNotFoundError, "'absent/x.pt'.*does not exist"),
        ('genvlkt://absent', FileNotFoundError, "ships no 'absent'; it ships: "),
    ],
)
def test_bad_settings(clip, error, message):
    with pytest.raises(error, match=message):
        CLIPSource.from_cfg(clip)


def test_unknown_architecture_and_tag(tmp_path):
    with pytest.raises(ValueError, match="'ViT-B32' is neither an architecture.*near names: ViT-B-32"):
        CLIPSource.from_cfg(dict(model_name='ViT-B32', pretrained='openai')).load_model()
    with pytest.raises(ValueError, match="no weights 'openia' for 'ViT-B-32-quickgelu'.*it has: openai"):
        CLIPSource.from_cfg(dict(model_name='ViT-B-32-quickgelu', pretrained='openia')).load_model()


def test_incomplete_folders(tmp_path, small_clip):
    with pytest.raises(FileNotFoundError, match='holds no open_clip_config.json'):
        CLIPSource.from_cfg(f'local-dir:{tmp_path}')
    (tmp_path / 'open_clip_config.json').write_text('{}')
    with pytest.raises(FileNotFoundError, match='holds no weights file'):
        CLIPSource.from_cfg(str(tmp_path))


def test_weights_of_another_architecture(small_clip):
    weights = small_clip[0] / 'open_clip_model.safetensors'
    with pytest.raises(
        ValueError, match="'.*model.safetensors' does not fit the CLIP model 'ViT-S-32/open_clip_model'"
    ):
        CLIPSource.from_cfg(dict(model_name='ViT-S-32', pretrained=str(weights))).load_model()


def test_without_network_one_sentence_says_what_to_bring(monkeypatch):
    def no_network(*args, **kwargs):
        raise RuntimeError('Failed to download weights')

    monkeypatch.setattr(open_clip, 'create_model', no_network)
    clip = dict(model_name='ViT-B-32-quickgelu', pretrained='openai')
    for use in (lambda: compute_text_embeddings(['a dog'], clip), lambda: build_teacher(clip)):
        with pytest.raises(FileNotFoundError) as caught:
            use()
        message = str(caught.value)
        assert '\n' not in message and message.count('. ') == 0
        assert 'tools/extract_text_embeddings.py --model ViT-B-32-quickgelu --pretrained openai --save-model' in message


def test_saved_model_is_the_same_model(tmp_path, monkeypatch, small_clip):
    folder, model = small_clip
    monkeypatch.setitem(
        open_clip.factory._MODEL_CONFIGS, 'small-test', open_clip.get_model_config(f'local-dir:{folder}')
    )
    named = dict(model_name='small-test', pretrained=str(folder / 'open_clip_model.safetensors'))
    for number, clip in enumerate((str(folder), named)):
        save_clip_model(tmp_path / str(number), clip)
        copy = CLIPSource.from_cfg(str(tmp_path / str(number)))
        state = copy.load_model().state_dict()
        assert all(torch.equal(value, state[key]) for key, value in model.state_dict().items())
        assert image_transform(copy) == image_transform(str(folder))


def test_saving_a_model_with_a_foreign_tokenizer_is_refused(tmp_path):
    weights = write_model(tmp_path / 'x') and tmp_path / 'x' / 'open_clip_model.safetensors'
    with pytest.raises(ValueError, match='tokenizer that must be downloaded'):
        save_clip_model(tmp_path / 'out', dict(model_name='ViT-B-16-SigLIP', pretrained=str(weights)))


def test_image_transform(small_clip):
    assert image_transform(str(small_clip[0]))['size'] == 32
    openai = image_transform(dict(model_name='ViT-B-32-quickgelu', pretrained='openai'))
    assert openai == dict(
        size=224,
        mean=(0.48145466, 0.4578275, 0.40821073),
        std=(0.26862954, 0.26130258, 0.27577711),
        interpolation='bicubic',
    )


def test_unreachable_servers_are_noticed_at_once(monkeypatch):
    """The libraries that download would go on trying for most of a minute."""
    clip = CLIPSource.from_cfg(dict(model_name='ViT-B-32-quickgelu', pretrained='openai'))
    monkeypatch.setattr(clip_source, '_downloaded_weights', lambda *name: None)
    monkeypatch.setattr(clip_source, '_addresses', lambda *name: ['http://localhost:9/weights'])
    monkeypatch.setattr(open_clip, 'create_model', lambda *a, **k: pytest.fail('open_clip tried to download'))
    for use in (clip.need_weights, clip.load_model):
        with pytest.raises(FileNotFoundError, match='not on this machine and cannot be downloaded'):
            use()


def test_only_open_clip_is_quiet(caplog):
    with clip_source._quiet():
        logging.getLogger('elsewhere').warning('of another library')
        logging.root.handle(logging.LogRecord('root', 30, '/x/open_clip/factory.py', 1, 'own step', (), None))
        logging.root.handle(logging.LogRecord('root', 30, '/x/other.py', 1, 'of the program', (), None))
        assert logging.root.manager.disable == 0
    assert [record.message for record in caplog.records] == ['of another library', 'of the program']
