"""GENVLKT with an open vocabulary, and what follows it: names, metrics, checkpoints."""

import copy

import numpy as np
import pytest
import torch

from genvlkt_mmdet.evaluation.metrics import HICOMetric
from genvlkt_mmdet.models.layers import classifier as classifier_module
from genvlkt_mmdet.structures import GroundTruth, Triplets
from genvlkt_mmdet.visualization import HOIVisualizer
from genvlkt_mmdet.vocabulary import load_vocabulary
from tests.test_models.tiny import CLIP_DIMS, HICO_LIKE, batch, build_detector, sample

PAIRS = [('hold', 'cup'), ('hold', 'horse'), ('ride', 'horse'), ('hold', 'person'), ('ride', 'person')]
KEYS = ('human_boxes', 'object_boxes', 'object_labels', 'hoi_labels', 'scores', 'query_ids')


@pytest.fixture(autouse=True)
def text(monkeypatch):
    monkeypatch.setattr(
        classifier_module, 'encode_new_text', lambda prompts, clip: torch.eye(len(prompts), CLIP_DIMS) + 0.1
    )


@pytest.fixture
def model():
    model = build_detector()
    model.dataset_meta = dict(vocabulary=load_vocabulary(HICO_LIKE), classes=('person', 'cup', 'horse'), mine=1)
    return model


@torch.no_grad()
def predict(model):
    samples = [sample((64, 96)), sample((96, 64), seed=1)]
    return model(batch(*samples), samples, mode='predict')


def same(one, other):
    return all(
        torch.equal(a.pred_hois[key].nan_to_num(-1), b.pred_hois[key].nan_to_num(-1))
        for a, b in zip(one, other, strict=True)
        for key in KEYS
    )


def test_training_vocabulary_and_back(model):
    before, meta, keys = predict(model), model.dataset_meta, list(model.state_dict())
    plain = copy.deepcopy(meta)
    model.set_vocabulary(PAIRS)
    assert same(predict(model), before) and model.dataset_meta == dict(plain, classes=('person', 'cup', 'horse'))
    model.set_vocabulary(['a person feeding a giraffe', ('ride', 'horse')])
    model.set_vocabulary(['a person stroking an okapi', ('ride', 'horse')])
    assert list(model.state_dict()) == keys
    assert model.dataset_meta['mine'] == 1
    assert model.dataset_meta['classes'] == ('person', 'cup', 'horse', 'okapi')
    vocabulary = model.dataset_meta['vocabulary']
    assert [vocabulary.phrase(i) for i in range(2)] == ['person stroking an okapi', 'person riding a horse']
    assert {label for s in predict(model) for label in s.pred_hois.hoi_labels.tolist()} <= {0, 1}
    model.reset_vocabulary()
    assert model.dataset_meta is meta and meta == plain
    assert same(predict(model), before)
    model.reset_vocabulary()
    assert model.dataset_meta is meta


def test_model_without_names(model):
    del model.dataset_meta
    model.set_vocabulary([('ride', 'horse')])
    assert not hasattr(model, 'dataset_meta')
    model.reset_vocabulary()
    assert not hasattr(model, 'dataset_meta')


def test_loss_and_train_mode(model):
    samples = [sample((64, 96)), sample((96, 64), seed=1)]
    model.set_vocabulary(['a person stroking an okapi'])
    with pytest.raises(RuntimeError, match=r'reset_vocabulary\(\) before training'):
        model.train()(batch(*samples), samples, mode='loss')
    model.reset_vocabulary()
    losses = model(batch(*samples), samples, mode='loss')
    assert all(value.isfinite() for value in losses.values())


def test_checkpoint_of_an_open_model_is_that_of_the_trained_one(model, tmp_path):
    model.set_vocabulary(['a person stroking an okapi'])
    torch.save(model.state_dict(), tmp_path / 'open.pth')
    other = build_detector(seed=5)
    other.load_state_dict(torch.load(tmp_path / 'open.pth'), strict=True)
    model.reset_vocabulary()
    assert same(predict(other), predict(model))


def test_evaluation_with_all_classes_set(model):
    """What a zero-shot evaluation does: the metric's classes are the dataset's, in the same order."""

    def evaluate(samples):
        metric = HICOMetric()
        metric.dataset_meta = dict(vocabulary=load_vocabulary(HICO_LIKE).to_dict())
        for i, s in enumerate(samples):
            best = s.pred_hois[:2].numpy()
            gt = GroundTruth(Triplets.of_image(best.human_boxes, best.object_boxes, best.hoi_labels))
            entry = dict(pred_hois=dict(s.pred_hois.items()), eval_gt=gt, img_id=i, img_path=f'{i}.jpg')
            metric.process(None, [entry])
        return metric.evaluate(len(samples))

    expected = evaluate(predict(model))
    model.set_vocabulary([hoi['prompt'] for hoi in HICO_LIKE['hois']])
    assert evaluate(predict(model)) == pytest.approx(expected, nan_ok=True) and max(expected.values()) > 0


def test_drawings_name_the_new_phrases(model, monkeypatch):
    model.set_vocabulary(['a person stroking an okapi', ('ride', 'horse')])
    drawn = []
    monkeypatch.setattr(HOIVisualizer, '_text', lambda self, text, *args, **kwargs: drawn.append(text))
    visualizer = HOIVisualizer()
    visualizer.dataset_meta = model.dataset_meta
    s = predict(model)[0]
    visualizer.add_datasample('picture', np.zeros((64, 96, 3), np.uint8), s, draw_gt=False, pred_score_thr=0)
    words = ' '.join(drawn)
    assert 'person stroking an okapi' in words and 'person riding a horse' in words and 'holding' not in words
