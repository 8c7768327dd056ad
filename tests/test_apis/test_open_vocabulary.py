"""HOIInferencer and tools/infer.py with phrases to look for; the shipped tiny CLIP reads them."""

import json
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmdet.registry import MODELS
from mmengine.config import Config
from mmengine.logging import MMLogger
from mmengine.registry import init_default_scope
from mmengine.structures import InstanceData
from torch.nn.functional import normalize

import genvlkt_mmdet  # noqa: F401  (registers)
from genvlkt_mmdet.apis import HOIInferencer
from genvlkt_mmdet.apis.configs import find_config
from genvlkt_mmdet.apis.new_class_scores import NewClassScores
from genvlkt_mmdet.minihoi import render_scene, sample_scene
from genvlkt_mmdet.models.vlkt import compute_text_embeddings, encode_text, text_embeddings
from genvlkt_mmdet.structures import HOIDataSample
from genvlkt_mmdet.visualization import HOIVisualizer
from genvlkt_mmdet.vocabulary import load_vocabulary, open_vocabulary, readings_table

MODEL = 'gen_vlkt_tiny_minihoi'
HOIS = [('wash', 'chair'), 'a person riding a horse', 'a person holding a kite']
PHRASES = ['person washing a chair', 'person riding a horse', 'person holding a kite']


@pytest.fixture(scope='module')
def weights(tmp_path_factory):
    """An untrained model's checkpoint as the Runner writes it, its classifiers started from text."""
    init_default_scope('mmdet')
    torch.manual_seed(0)
    cfg = Config.fromfile(find_config(MODEL))
    cfg.model.pretrained_detr = None
    model = MODELS.build(cfg.model)
    model.bbox_head.init_weights()
    file = tmp_path_factory.mktemp('weights') / 'tiny.pth'
    meta = dict(cfg=cfg.pretty_text, dataset_meta=dict(vocabulary=load_vocabulary('minihoi').to_dict()))
    torch.save(dict(state_dict=model.state_dict(), meta=meta), file)
    return file


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv('GENVLKT_CACHE', str(tmp_path / 'cache'))


@pytest.fixture(scope='module')
def picture():
    """A picture of MiniHOI, BGR."""
    image, _ = render_scene(sample_scene(np.random.default_rng(0)))
    return np.ascontiguousarray(image[..., ::-1])


def build(weights, **kwargs):
    return HOIInferencer(MODEL, weights, device='cpu', show_progress=False, **kwargs)


def drawn_texts(monkeypatch):
    texts = []
    draw = HOIVisualizer._text
    monkeypatch.setattr(
        HOIVisualizer, '_text', lambda self, text, *args, **kw: (texts.append(text), draw(self, text, *args, **kw))
    )
    return texts


def test_phrases_are_found_named_and_drawn(weights, picture, monkeypatch):
    texts = drawn_texts(monkeypatch)
    inferencer = build(weights, vocabulary=HOIS)
    # who draws with the visualizer alone, as the demo does, has the same names
    assert inferencer.visualizer.dataset_meta is inferencer.model.dataset_meta
    result = inferencer(picture, pred_score_thr=0, return_vis=True)
    triplets = result['predictions'][0]
    assert {t['phrase'] for t in triplets} == set(PHRASES)
    names = {t['phrase']: (t['verb'], t['object']) for t in triplets}
    assert names == dict(zip(PHRASES, [('wash', 'chair'), ('ride', 'horse'), ('hold', 'kite')], strict=True))
    assert json.loads(json.dumps(triplets)) == triplets
    written = ' '.join(texts)
    assert 'person' in written and 'kicking' not in written
    assert any(text.startswith(phrase) for text in texts for phrase in PHRASES)
    assert result['visualization'][0].ndim == 3
    head = inferencer.model.bbox_head
    prompts = ['a photo of a person washing a chair', 'a photo of a person holding a kite']
    rows = normalize(compute_text_embeddings(prompts, 'genvlkt://tiny_clip'), dim=1)
    torch.testing.assert_close(head.hoi_classifier.new_weight, rows, rtol=0, atol=1e-6)
    rows = normalize(compute_text_embeddings(['a photo of a kite'], 'genvlkt://tiny_clip'), dim=1)
    torch.testing.assert_close(head.obj_classifier.new_weight, rows, rtol=0, atol=1e-6)


def test_set_and_reset_on_the_model_of_an_inferencer(weights, picture, monkeypatch):
    inferencer = build(weights)
    before = inferencer(picture, pred_score_thr=0)
    pairs = inferencer.vocabulary
    texts = drawn_texts(monkeypatch)
    inferencer.model.set_vocabulary([pairs.hoi_prompts[i] for i in range(pairs.num_hois)])
    assert inferencer(picture, pred_score_thr=0) == before  # bit for bit
    inferencer.model.set_vocabulary(['a person feeding an okapi'])
    triplets = inferencer(picture, pred_score_thr=0, top_k=3, return_vis=True)['predictions'][0]
    assert {t['phrase'] for t in triplets} == {'person feeding an okapi'} and triplets[0]['object'] == 'okapi'
    assert texts and all('feeding an okapi' in text for text in texts if not text.isdigit())
    inferencer.model.reset_vocabulary()
    assert inferencer(picture, pred_score_thr=0) == before
    texts.clear()
    inferencer(picture, pred_score_thr=0, top_k=3, return_vis=True)
    assert texts and not any('okapi' in text for text in texts)


def test_known_phrases_need_no_clip(weights, picture, monkeypatch):
    monkeypatch.setitem(sys.modules, 'open_clip', None)  # importing it now fails
    inferencer = build(weights, vocabulary=[('ride', 'horse'), 'a person kicking a ball'])
    assert inferencer(picture, pred_score_thr=0, top_k=1)['predictions'][0]


def test_embeddings_from_a_file_replace_clip(weights, picture, tmp_path, monkeypatch):
    """The way to a machine without CLIP, as the documentation has it."""
    clip = dict(model_name='genvlkt://tiny_clip', text_embeddings=str(tmp_path / 'phrases.safetensors'))
    vocabulary = open_vocabulary(load_vocabulary('minihoi'), HOIS).vocabulary
    encode_text([*vocabulary.hoi_prompts, *vocabulary.object_prompts], clip)
    rows = build(weights, vocabulary=HOIS).model.bbox_head.hoi_classifier.new_weight
    monkeypatch.setattr(text_embeddings, 'compute_text_embeddings', lambda *args: pytest.fail('the model was used'))
    monkeypatch.setenv('GENVLKT_CACHE', str(tmp_path / 'another'))
    inferencer = build(weights)
    inferencer.model.set_vocabulary(HOIS, clip=clip)
    torch.testing.assert_close(inferencer.model.bbox_head.hoi_classifier.new_weight, rows, rtol=0, atol=1e-6)
    assert {t['phrase'] for t in inferencer(picture, pred_score_thr=0)['predictions'][0]} == set(PHRASES)


def test_mistakes_come_before_the_pictures(weights, tmp_path):
    with pytest.raises(FileNotFoundError, match="list of phrases '.*gone.txt' does not exist"):
        build(tmp_path / 'not-looked-at.pth', vocabulary=tmp_path / 'gone.txt')
    with pytest.raises(ValueError, match="'horse' names no verb"):
        build(weights, vocabulary=['riding a horse', 'horse'])
    with pytest.raises(ValueError, match='at least one phrase'):
        build(weights, vocabulary=[])
    cfg = Config.fromfile(find_config(MODEL))
    cfg.model.bbox_head.hoi_classifier.clip = None
    with pytest.raises(ValueError, match="'a photo of a person feeding a horse' is new"):
        HOIInferencer(cfg, weights, device='cpu', vocabulary=['feeding a horse'])


@pytest.fixture
def logged(monkeypatch):
    """Messages that reach the log, with their levels."""
    messages = []
    logger = MMLogger.get_current_instance()
    monkeypatch.setattr(logger, 'handle', lambda record: messages.append((record.levelname, record.getMessage())))
    return messages


def test_what_was_read_is_logged_and_returned(weights, logged):
    model = build(weights).model
    readings = model.set_vocabulary(HOIS)
    assert [(r.verb, r.obj, r.prompt, r.status) for r in readings] == [
        ('wash', 'chair', 'a photo of a person washing a chair', 'new combination'),
        ('ride', 'horse', 'a photo of a person riding a horse', 'known'),
        ('hold', 'kite', 'a photo of a person holding a kite', 'new object'),
    ]
    assert model.bbox_head.readings == readings
    assert logged[-1] == ('INFO', f'The vocabulary was read as:\n{readings_table(readings)}')
    model.reset_vocabulary()
    assert model.bbox_head.readings == ()


def test_new_classes_below_the_threshold_are_named(weights, picture, logged):
    inferencer = build(weights, vocabulary=HOIS)
    scores = {}
    for triplet in inferencer(picture, pred_score_thr=0)['predictions'][0]:
        scores[triplet['phrase']] = max(triplet['score'], scores.get(triplet['phrase'], 0))
    assert not [message for level, message in logged if level == 'WARNING']  # each is above 0
    logged.clear()
    inferencer([picture, picture], pred_score_thr=1.99)
    (message,) = [message for level, message in logged if level == 'WARNING']
    assert message.startswith('Nothing scores above 1.99 for 2 of the phrases that are new to the model: ')
    assert f"'wash, chair' (best {scores[PHRASES[0]]:.2f})" in message
    assert f"'hold, kite' (best {scores[PHRASES[2]]:.2f})" in message
    assert 'ride' not in message and 'set a lower threshold (pred_score_thr, --score-thr)' in message
    inferencer.model.reset_vocabulary()
    logged.clear()
    inferencer(picture, pred_score_thr=1.99)
    assert logged == []


def test_many_new_classes_are_named_by_their_best_and_no_image_gives_no_hint():
    objects = [f'thing{i}' for i in range(12)]
    readings = open_vocabulary(load_vocabulary('minihoi'), [('ride', obj) for obj in objects]).readings
    scores = NewClassScores(readings)
    assert scores.hint(1.4) is None
    hois = InstanceData(hoi_labels=torch.tensor([0, 1, 1, 3]), scores=torch.tensor([1.5, 1.1, 1.2, 1.3]))
    assert len(list(scores.watch([HOIDataSample(pred_hois=hois)]))) == 1
    message = scores.hint(1.4)
    assert (
        "11 of the phrases that are new to the model: 'ride, thing3' (best 1.30), 'ride, thing1' (best 1.20), "
        in message
    )
    assert "'ride, thing2' (not among the best triplets)" in message and ', and 1 more. ' in message
    assert 'thing0' not in message


# tools/infer.py


def test_command_line(run, weights, picture, tmp_path, capsys, logged):
    cv2.imwrite('photo.png', picture)
    Path('phrases.txt').write_text('# to find\nwash, chair\na person riding a horse\n\na person holding a kite\n')
    arguments = ('photo.png', '--weights', weights, '--device', 'cpu', '--score-thr', '0')
    run(*arguments, '--vocabulary', 'phrases.txt')
    assert ('INFO', 'The vocabulary was read as:') in [(level, text.split('\n')[0]) for level, text in logged]
    assert 'interactions in 1 images: see out' in capsys.readouterr().out
    hois = json.loads(Path('out/preds/photo.json').read_text())['hois']
    assert {hoi['phrase'] for hoi in hois} == set(PHRASES)
    assert hois == build(weights, vocabulary='phrases.txt')('photo.png', pred_score_thr=0)['predictions'][0]
    assert Path('out/vis/photo.png').exists()

    Path('phrases.txt').write_text('horse\n')
    for file, message in (
        ('gone.txt', "error: The list of phrases 'gone.txt' does not exist: check its path."),
        (
            'phrases.txt',
            "error: 'horse' names no verb: write a phrase such as 'a person riding a horse', or (verb, object).",
        ),
    ):
        with pytest.raises(SystemExit) as caught:
            run(*arguments, '--vocabulary', file)
        assert str(caught.value) == message
