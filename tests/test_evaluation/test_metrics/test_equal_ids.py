"""Images are told apart even where annotation files give them the same ids."""

import json

import numpy as np
import pytest
import torch
from mmdet.registry import DATASETS, METRICS
from mmengine.registry import init_default_scope
from mmengine.structures import InstanceData

from genvlkt_mmdet.evaluation import evaluate_detections, load_detections, load_ground_truth
from genvlkt_mmdet.evaluation.io import write_results
from genvlkt_mmdet.evaluation.io.image_index import ImageIndex

VOCABULARY = dict(
    name='farm',
    objects=['person', 'cow', 'pig'],
    verbs=[dict(name='milk'), dict(name='feed')],
    hois=[dict(verb='milk', object='cow'), dict(verb='feed', object='cow'), dict(verb='feed', object='pig')],
)


def write(path, names, hoi, **fields):
    """Annotations with one pair an image, of one class."""
    verb, category = [(1, 2), (2, 2), (2, 3)][hoi]
    records = [
        dict(
            file_name=name,
            annotations=[dict(bbox=[i, 0, 20, 20], category_id=1), dict(bbox=[20, i, 50, 50], category_id=category)],
            hoi_annotation=[dict(subject_id=0, object_id=1, category_id=verb)],
            **fields,
        )
        for i, name in enumerate(names)
    ]
    path.write_text(json.dumps(records))
    return dict(
        type='HOIDataset', vocabulary=VOCABULARY, ann_file=str(path), data_prefix=dict(img=path.stem), test_mode=True
    )


def perfect(dataset, index):
    """The sample of an image with its annotation as prediction."""
    item = dataset.get_data_info(index)
    gt = item['eval_gt'].triplets
    pred = InstanceData(
        human_boxes=torch.tensor(gt.human_boxes),
        object_boxes=torch.tensor(gt.object_boxes),
        hoi_labels=torch.tensor(gt.labels),
        scores=torch.ones(len(gt.labels)),
    )
    return dict(img_id=item['img_id'], img_path=item['img_path'], eval_gt=item['eval_gt'], pred_hois=dict(pred.items()))


def evaluate(dataset, samples, **kwargs):
    metric = METRICS.build(dict(type='HICOMetric', **kwargs))
    metric.dataset_meta = dataset.metainfo
    metric.process(None, samples)
    figures = metric.evaluate(len(dataset))
    return figures, metric.summary['default']['num_gt']


@pytest.fixture(autouse=True)
def _scope():
    init_default_scope('mmdet')


def test_two_files_in_a_concat_dataset(tmp_path):
    """Both files number their images 0, 1, 2; all six are evaluated, with their ground truth."""
    parts = [write(tmp_path / f'{k}.json', ['a.jpg', 'b.jpg', 'c.jpg'], hoi) for k, hoi in (('x', 0), ('y', 2))]
    dataset = DATASETS.build(dict(type='ConcatDataset', datasets=parts))
    samples = [perfect(dataset, i) for i in range(6)]
    assert {sample['img_id'] for sample in samples} == {0, 1, 2}
    out = str(tmp_path / 'both')
    figures, counts = evaluate(dataset, [*samples, samples[0]], outfile_prefix=out)  # one repeated by a sampler
    assert counts == [3, 0, 3] and figures['hico/full'] == pytest.approx(2 / 3)
    names = [entry['file_name'] for entry in json.loads((tmp_path / 'both.results.json').read_text())]
    assert len(set(names)) == 6


def test_repeated_ids_in_one_file(tmp_path):
    dataset = DATASETS.build(write(tmp_path / 'x.json', ['a.jpg', 'b.jpg', 'c.jpg'], 1, img_id=5))
    samples = [perfect(dataset, i) for i in range(3)]
    out = str(tmp_path / 'x')
    figures, counts = evaluate(dataset, samples[::-1], outfile_prefix=out)
    assert counts == [0, 3, 0] and figures['hico/full'] == pytest.approx(1 / 3)
    images = load_ground_truth(tmp_path / 'x.json', VOCABULARY)
    summary = evaluate_detections(load_detections(out + '.results.json', images, VOCABULARY), images, VOCABULARY)
    assert summary['default']['num_gt'] == counts and summary['missing_images'] == 0


def test_another_number_of_images_is_an_error(tmp_path):
    part = write(tmp_path / 'x.json', ['a.jpg', 'b.jpg', 'c.jpg'], 1)
    dataset = DATASETS.build(part)
    samples = [perfect(dataset, i) for i in range(3)]
    with pytest.raises(ValueError, match='has seen 2 different images, but the dataset has 3'):
        evaluate(dataset, samples[:2])
    twice = DATASETS.build(dict(type='ConcatDataset', datasets=[part, part]))
    with pytest.raises(ValueError, match='has seen 3 different images, but the dataset has 6: either an image'):
        evaluate(twice, samples * 2)


def test_ground_truth_of_the_metric_must_be_finite(tmp_path):
    dataset = DATASETS.build(write(tmp_path / 'x.json', ['a.jpg'], 1))
    sample = perfect(dataset, 0)
    sample['eval_gt'].triplets.human_boxes[0, 0] = np.nan
    with pytest.raises(ValueError, match=r"ground truth of image '.*a\.jpg' holds NaN or infinity"):
        evaluate(dataset, [sample])


def test_formats_that_cannot_tell_images_apart(tmp_path):
    twice = [dict(file_name='a.jpg', img_id=0), dict(file_name='a.jpg', img_id=1)]
    write_results(tmp_path / 'r.json', [])
    with pytest.raises(ValueError, match="name image 'a.jpg' several times"):
        load_detections(tmp_path / 'r.json', twice, VOCABULARY)
    index = ImageIndex([dict(file_name='a.jpg', img_id=4), dict(file_name='b.jpg', img_id=4)])
    assert index.by_name('b.jpg') == 1
    with pytest.raises(ValueError, match='Several images of the annotations have the `img_id` 4'):
        index.by_id(4)
