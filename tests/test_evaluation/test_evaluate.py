import numpy as np
import pytest

from genvlkt_mmdet.evaluation import Detections, evaluate_detections, load_detections
from genvlkt_mmdet.evaluation.functional import VCOCODetections, hico
from genvlkt_mmdet.evaluation.io import write_results
from genvlkt_mmdet.structures import GroundTruth, Triplets


def test_persons_of_vcoco_are_no_triplets_of_another_dataset():
    nothing = Triplets(np.zeros(0, int), np.zeros((0, 4)), np.zeros((0, 4)), np.zeros(0, int), np.zeros(0))
    persons = Detections(VCOCODetections.from_triplets(nothing, [(0, 0)]))
    with pytest.raises(ValueError, match="persons of V-COCO's pickle"):
        evaluate_detections(persons, [], 'hico')


def former_ranking(labels, scores, images):
    """The ranking before it was made faster."""
    order = np.argsort(images, kind='stable')
    order = order[np.argsort(-scores[order], kind='stable')]
    return order[np.argsort(labels[order], kind='stable')]


@pytest.mark.parametrize('protocol', ['official', 'qpic'])
def test_files_and_faster_ranking_change_no_bit(tmp_path, monkeypatch, protocol):
    """Random results with ties, repeated triplets and pairs without object: arrays, JSON and columns, old and new."""
    rng = np.random.default_rng(0)
    objects = [0, 1, 2, 3] * 3  # 3: no object
    vocabulary = dict(
        objects=['a', 'b', 'c'],
        verbs=['x', 'y', 'z'],
        hois=[dict(verb=v, **dict(object=o) if o else {}) for v in 'xyz' for o in ('a', 'b', 'c', None)],
    )
    entries, images = [], []
    for i in range(50):
        boxes = rng.integers(0, 30, (2, 40, 4)).astype(np.float32) * np.float32(0.3)
        boxes[..., 2:] += boxes[..., :2]
        labels, scores = rng.integers(0, 12, 40), (rng.integers(0, 6, 40) / 7).astype(np.float32)
        boxes[1, np.asarray(objects)[labels] == 3] = np.nan
        boxes[:, 30:], labels[30:] = boxes[:, :10], labels[:10]
        gt = Triplets.of_image(
            boxes[0, ::5].astype(np.float64) + 0.5, boxes[1, ::5].astype(np.float64) + 0.5, labels[::5]
        )
        images.append(dict(file_name=f'{i}.jpg', img_id=i, eval_gt=GroundTruth(gt)))
        keys = ('human_boxes', 'object_boxes', 'labels', 'scores')
        entries.append(dict(file_name=f'{i}.jpg', **dict(zip(keys, (*boxes, labels, scores)))))
    summaries = []
    for name in ('r.json', 'r.npz'):
        write_results(tmp_path / name, entries)
        detections = load_detections(tmp_path / name, images, vocabulary)
        summaries.append(evaluate_detections(detections, images, vocabulary, protocol=protocol))
    monkeypatch.setattr(hico, 'ranking', former_ranking)
    triplets = Triplets.join([Triplets.of_image(**{key: entry[key] for key in keys}) for entry in entries])
    summaries.append(evaluate_detections(Detections(triplets), images, vocabulary, protocol=protocol))
    assert 0 < summaries[0]['default']['full'] < 1
    assert summaries[0] == summaries[1] == summaries[2]
