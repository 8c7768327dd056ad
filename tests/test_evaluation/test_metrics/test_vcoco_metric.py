import numpy as np
import pytest
import torch
from mmdet.registry import METRICS

from genvlkt_mmdet.evaluation import VCOCOMetric, evaluate_detections, load_detections
from genvlkt_mmdet.structures import has_object
from genvlkt_mmdet.vocabulary import HOIVocabulary


def make_samples(fixture):
    """Samples whose triplets are made from the official detections: one HOI class per role."""
    vocabulary = fixture.vocabulary
    hoi_of = {verb: hoi for hoi, verb in reversed(list(enumerate(vocabulary.hoi_verbs)))}
    samples = []
    for image in fixture.images:
        rows = []
        for person in fixture.people:
            if person['image_id'] != image['img_id']:
                continue
            for verb, name in enumerate(vocabulary.verb_names):
                *box, score = person[name] if isinstance(person.get(name), list) else [np.nan] * 5
                if not np.isnan(score):
                    box = [np.nan] * 4 if np.isnan(box).any() or not np.any(box) else box
                    rows.append((person['person_box'], box, hoi_of[verb], score))
        samples.append(
            dict(
                img_id=image['img_id'],
                img_path=f'images/{image["file_name"]}',
                eval_gt=image['eval_gt'],
                pred_hois=dict(
                    human_boxes=torch.tensor([row[0] for row in rows]).reshape(-1, 4),
                    object_boxes=torch.tensor([row[1] for row in rows]).reshape(-1, 4),
                    hoi_labels=torch.tensor([row[2] for row in rows], dtype=torch.int64),
                    scores=torch.tensor([row[3] for row in rows]),
                ),
            )
        )
    return samples


def make_metric(fixture, **kwargs):
    metric = METRICS.build(dict(type='VCOCOMetric', **kwargs))
    metric.dataset_meta = dict(vocabulary=fixture.vocabulary.to_dict())
    return metric


def test_figures_are_those_of_the_official_program(vcoco_fixture, tmp_path):
    metric = make_metric(vcoco_fixture, max_per_image=100000, outfile_prefix=str(tmp_path / 'test'), classwise=True)
    samples = make_samples(vcoco_fixture)
    for one in samples:
        metric.process(None, [one])
    figures = metric.evaluate(len(samples))
    assert set(figures) == {
        *(f'vcoco/scenario_{i}/{mean}' for i in (1, 2) for mean in ('mean_24', 'mean_25')),
        'vcoco/agent/mean',
    }
    for i in (1, 2):
        expected = vcoco_fixture.expected[f'role_ap_mean_scenario_{i}']
        assert figures[f'vcoco/scenario_{i}/mean_25'] == pytest.approx(expected, abs=1e-6)
        expected = vcoco_fixture.expected[f'role_ap_mean_without_point_scenario_{i}']
        assert figures[f'vcoco/scenario_{i}/mean_24'] == pytest.approx(expected, abs=1e-6)

    dumped = load_detections(tmp_path / 'test.results.json', vcoco_fixture.images, 'vcoco')
    summary = evaluate_detections(dumped, vcoco_fixture.images, 'vcoco')
    for key in ('scenario_1', 'scenario_2', 'agent'):
        assert summary[key] == metric.summary[key]


def test_classes_of_one_verb_count_once_with_the_best_score(vcoco_fixture):
    vocabulary = vcoco_fixture.vocabulary
    hold = [i for i, verb in enumerate(vocabulary.hoi_verbs) if vocabulary.verb_names[verb] == 'hold_obj'][:3]
    box = np.array([[0.0, 0, 9, 9]]).repeat(4, axis=0)
    objects = np.array([[5.0, 5, 9, 9]] * 3 + [[np.nan] * 4])
    pred = dict(
        human_boxes=box,
        object_boxes=objects,
        hoi_labels=np.array([*hold, hold[0]]),
        scores=np.array([0.9, 0.8, 0.7, 0.6]),
    )
    dets = make_metric(vcoco_fixture).make_detections(pred)
    assert dets.labels.tolist() == [vocabulary.verb_names.index('hold_obj')] * 2
    assert dets.scores.tolist() == pytest.approx([0.9, 0.6])
    assert has_object(dets.object_boxes).tolist() == [True, False]


def test_images_do_not_convert_the_vocabulary(vcoco_fixture, monkeypatch):
    metric = make_metric(vcoco_fixture)
    metric.dataset_meta = dict(vocabulary=vcoco_fixture.vocabulary)

    def refuse(*args):
        raise AssertionError('the vocabulary is converted')

    monkeypatch.setattr(HOIVocabulary, 'to_dict', refuse)
    monkeypatch.setattr(HOIVocabulary, 'from_dict', refuse)
    metric.process(None, make_samples(vcoco_fixture)[:3])
    assert len(metric.results) == 3


def test_keeps_a_hundred_triplets_per_image(vcoco_fixture):
    metric = make_metric(vcoco_fixture)
    assert isinstance(metric, VCOCOMetric)
    metric.process(None, make_samples(vcoco_fixture)[:20])
    counts = [len(entry['det']) for entry in metric.results]
    assert max(counts) == 100
