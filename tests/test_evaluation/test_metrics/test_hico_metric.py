import json

import numpy as np
import pytest
import torch
from mmdet.registry import METRICS
from mmengine.structures import InstanceData

from genvlkt_mmdet.evaluation import HICOMetric, evaluate_detections, load_detections
from genvlkt_mmdet.structures import GroundTruth, HOIDataSample, Triplets
from genvlkt_mmdet.vocabulary import load_vocabulary


def make_samples(fixture, key='no_nms'):
    """Data samples as the runner hands them over: dicts."""
    samples = []
    for image, dets in zip(fixture.images, fixture.dets[key]):
        sample = HOIDataSample(
            metainfo=dict(
                img_id=image['img_id'], img_path=f'data/images/{image["file_name"]}', eval_gt=image['eval_gt']
            )
        )
        sample.pred_hois = InstanceData(
            human_boxes=torch.tensor(dets['human_boxes']).reshape(-1, 4),
            object_boxes=torch.tensor(dets['object_boxes']).reshape(-1, 4),
            hoi_labels=torch.tensor(dets['labels'], dtype=torch.int64),
            scores=torch.tensor(dets['scores']),
        )
        samples.append(sample.to_dict())
    return samples


def make_metric(**kwargs):
    metric = HICOMetric(**kwargs)
    metric.dataset_meta = dict(vocabulary=load_vocabulary('hico').to_dict(), zero_shot=None)
    return metric


def test_figures_are_those_of_the_official_program(hico_fixture, tmp_path):
    metric = make_metric(zero_shot='rare_first', outfile_prefix=str(tmp_path / 'run' / 'test'))
    samples = make_samples(hico_fixture)
    for start in range(0, len(samples), 4):
        metric.process(None, samples[start : start + 4])
    figures = metric.evaluate(len(samples))
    expected = hico_fixture.matlab['matlab_colon_emulation']['no_nms']
    assert figures['hico/full'] == pytest.approx(expected['def']['official_mean_over_600']['full'], abs=1e-9)
    assert figures['hico/known_object/full'] == pytest.approx(
        expected['ko']['official_mean_over_600']['full'], abs=1e-9
    )
    assert set(figures) == {
        *(
            f'hico/{mode}{key}'
            for mode in ('', 'known_object/')
            for key in ('full', 'rare', 'non_rare', 'mean_max_recall')
        ),
        'hico/unseen',
        'hico/seen',
    }
    ap = np.array(metric.summary['default']['ap'])
    vocabulary = hico_fixture.vocabulary
    assert figures['hico/rare'] == pytest.approx(ap[list(vocabulary.rare)].mean())
    assert figures['hico/unseen'] == pytest.approx(ap[list(vocabulary.unseen('rare_first'))].mean())
    assert figures['hico/seen'] == pytest.approx(ap[list(vocabulary.seen('rare_first'))].mean())

    # the dumped file gives the same numbers to the last digit
    path = tmp_path / 'run' / 'test.results.json'
    entries = json.loads(path.read_text())
    assert [entry['file_name'] for entry in entries] == [image['file_name'] for image in hico_fixture.images]
    summary = evaluate_detections(load_detections(path, hico_fixture.images, 'hico'), hico_fixture.images, 'hico')
    assert summary['default'] == metric.summary['default']
    assert summary['known_object'] == metric.summary['known_object']

    metric = make_metric(outfile_prefix=str(tmp_path / 'test'), outfile_format='npz')
    metric.process(None, samples)
    metric.evaluate(len(samples))
    detections = load_detections(tmp_path / 'test.results.npz', hico_fixture.images, 'hico')
    assert evaluate_detections(detections, hico_fixture.images, 'hico') == summary
    with pytest.raises(ValueError, match="HICOMetric: outfile_format must be 'json' or 'npz', not 'csv'"):
        make_metric(outfile_format='csv')


def test_repeated_images_count_once_and_order_does_not_matter(hico_fixture):
    samples = make_samples(hico_fixture)
    expected, metric = make_metric(), make_metric()
    expected.process(None, samples)
    metric.process(None, [*samples[::-1], *samples[:5]])
    assert metric.evaluate(len(samples)) == expected.evaluate(len(samples))


def test_keeps_the_best_triplets_only(hico_fixture):
    samples = make_samples(hico_fixture)
    metric = make_metric(max_per_image=3)
    metric.process(None, samples)
    for kept, sample in zip(metric.results, samples):
        scores = np.sort(sample['pred_hois']['scores'].numpy())[::-1][:3]
        assert kept['det'].scores.tolist() == scores.tolist()
        det = kept['det']
        assert {v.dtype.itemsize for v in (det.human_boxes, det.object_boxes, det.labels, det.scores)} == {4}


def test_is_registered_and_has_defaults():
    metric = METRICS.build(dict(type='HICOMetric', protocol='qpic'))
    assert (metric.protocol, metric.max_per_image, metric.prefix) == ('qpic', 100, 'hico')


def test_qpic_protocol(hico_fixture):
    metric = make_metric(protocol='qpic')
    metric.process(None, make_samples(hico_fixture))
    figures = metric.evaluate(len(hico_fixture.images))
    stats = hico_fixture.python['no_nms']['stats']
    assert figures['hico/full'] == pytest.approx(stats['mAP'], abs=1e-9)
    assert figures['hico/mean_max_recall'] == pytest.approx(stats['mean max recall'], abs=1e-9)


def sample(**changes):
    box = torch.tensor([[0.0, 0, 9, 9]])
    pred = dict(human_boxes=box, object_boxes=box, hoi_labels=torch.tensor([0]), scores=torch.tensor([0.5]))
    gt = GroundTruth(Triplets.of_image(box.numpy(), box.numpy(), np.array([0])))
    return dict(img_id=0, img_path='a.jpg', pred_hois={**pred, **changes}, eval_gt=gt)


def test_custom_vocabulary_without_rare_classes():
    vocabulary = dict(
        name='farm',
        objects=[dict(id=1, name='person'), dict(id=2, name='cow')],
        verbs=[dict(id=1, name='milk'), dict(id=2, name='feed')],
        hois=[
            dict(id=1, verb=0, object=1, prompt='a photo of a person milking a cow'),
            dict(id=2, verb=1, object=1, prompt='a photo of a person feeding a cow'),
        ],
        object_prompts=['a photo of a person', 'a photo of a cow', 'a photo of nothing'],
    )
    metric = HICOMetric(prefix='farm', classwise=True)
    metric.dataset_meta = dict(vocabulary=vocabulary)
    metric.process(None, [sample()])
    figures = metric.evaluate(1)
    names = ('full', 'mean_max_recall', 'known_object/full', 'known_object/mean_max_recall')
    assert figures == {f'farm/{name}': 0.5 for name in names}


def test_images_without_predictions():
    metric = make_metric()
    nothing = dict(human_boxes=torch.zeros(0, 4), object_boxes=torch.zeros(0, 4), hoi_labels=torch.zeros(0, dtype=int))
    metric.process(None, [sample(**nothing, scores=torch.zeros(0))])
    assert metric.evaluate(1)['hico/full'] == 0


def test_bad_input():
    with pytest.raises(ValueError, match="Unknown protocol 'matlab'"):
        HICOMetric(protocol='matlab')
    with pytest.raises(ValueError, match="'a.jpg' holds NaN or infinity: the model has diverged"):
        make_metric().process(None, [sample(scores=torch.tensor([float('nan')]))])
    lacking = sample()
    del lacking['eval_gt']
    with pytest.raises(ValueError, match="Image 'a.jpg' has no `eval_gt`"):
        make_metric().process(None, [lacking])
    metric = HICOMetric()
    metric.dataset_meta = dict(classes=('person',))
    metric.process(None, [sample()])
    with pytest.raises(ValueError, match='HICOMetric needs `vocabulary`'):
        metric.evaluate(1)
    with pytest.raises(KeyError, match="no zero-shot split 'rare'; it has: .*rare_first"):
        make_metric(zero_shot='rare')  # before the first image
