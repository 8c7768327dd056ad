"""What the server needs of the package, without the packages of the extra `serve`."""

import sys

import cv2
import numpy as np
import pytest

from genvlkt_mmdet import serving
from genvlkt_mmdet.apis import HOIInferencer
from genvlkt_mmdet.assets import asset_path
from genvlkt_mmdet.models.vlkt import KeptTextEncoder, compute_text_embeddings
from genvlkt_mmdet.serving import ServedModel, ServerLimits
from genvlkt_mmdet.serving.model import VocabularyError

IMAGE = asset_path('example.jpg').read_bytes()


@pytest.fixture(scope='module')
def inferencer():
    return HOIInferencer(device='cpu', show_progress=False)


@pytest.mark.parametrize('kind', ['.jpg', '.png', '.webp', '.bmp'])
def test_a_file_that_ends_too_early_is_refused(inferencer, kind):
    model, pixels = ServedModel(inferencer), cv2.imdecode(np.frombuffer(IMAGE, np.uint8), cv2.IMREAD_COLOR)
    content = cv2.imencode(kind, pixels)[1].tobytes()
    assert model.prepare(content, [], 1, 5).image.pixels.shape == (128, 128, 3)
    for share in (0.5, 0.9, 0.98):
        with pytest.raises(ValueError, match='upload'):
            model.prepare(content[: int(share * len(content))], [], 1, 5)


def test_the_pixels_are_those_of_the_file(inferencer):
    prepared = ServedModel(inferencer).prepare(IMAGE, [], 1, 5)
    assert np.array_equal(prepared.image.pixels, cv2.imread(str(asset_path('example.jpg'))))


@pytest.mark.parametrize('phrases', [[''], ['# a comment'], ['ride, horse', 'a\nb'], ['a, b, c'], ['ride, horse'] * 4])
def test_wrong_lists_of_phrases(inferencer, phrases):
    with pytest.raises(VocabularyError):
        ServedModel(inferencer, ServerLimits(phrases=3)).prepare(IMAGE, phrases, 1, 5)


def test_users_phrases_write_no_files_and_clip_is_loaded_once(inferencer, tmp_path, monkeypatch):
    monkeypatch.setenv('GENVLKT_CACHE', str(tmp_path))
    model = ServedModel(inferencer)
    loads = []
    source = 'genvlkt_mmdet.models.vlkt.clip_source.CLIPSource'
    from genvlkt_mmdet.models.vlkt import CLIPSource

    load = CLIPSource.load_model
    monkeypatch.setattr(f'{source}.load_model', lambda self: loads.append(1) or load(self))
    for obj in ('umbrella', 'lamp', 'kite'):
        image = model.prepare(IMAGE, [f'a person juggling a {obj}'], 0, 100)
        (result,) = model.predict(image.batch_key, [image])
        assert {hoi['object'] for hoi in result} == {obj}
    inferencer.model.reset_vocabulary()
    assert loads == [1] and not list(tmp_path.iterdir())


def test_kept_embeddings_are_those_of_clip():
    prompts = [f'a photo of a person holding a {name}' for name in ('cup', 'fork', 'knife', 'cup')]
    encoder = KeptTextEncoder('genvlkt://tiny_clip', max_prompts=2)
    for part in (prompts[:1], prompts, prompts[1:], prompts[::-1]):
        expected = compute_text_embeddings(part, 'genvlkt://tiny_clip')
        np.testing.assert_allclose(encoder(part), expected, atol=1e-5)
        assert len(encoder._kept) <= 2


def test_without_the_extra_the_message_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, 'fastapi', None)
    for name in ('app', 'server'):
        monkeypatch.delitem(sys.modules, f'genvlkt_mmdet.serving.{name}', raising=False)
        monkeypatch.delattr(serving, name, raising=False)  # where an earlier import has left it
    with pytest.raises(
        ImportError, match=r"The server needs \w+, which is not installed: run `pip install 'genvlkt\[serve\]'`"
    ):
        serving.import_server()
