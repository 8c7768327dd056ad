import contextlib
import io

import numpy as np
import pytest
import torch
from mmdet.registry import METRICS
from mmengine.structures import InstanceData
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from genvlkt_mmdet.datasets import HICODetDataset, VCOCODataset
from genvlkt_mmdet.evaluation import HOIBoxMetric
from genvlkt_mmdet.structures import GroundTruth, HOIDataSample, Triplets
from genvlkt_mmdet.vocabulary import load_vocabulary
from tests.shared import HICO_LIKE, shared_path

PERSON, CUP, HORSE, NO_OBJECT = range(4)


def make_sample(gt_boxes, gt_labels, humans, objects, object_labels, scores, img_id=0):
    """A data sample as the runner hands it over: a dict."""
    gt = GroundTruth(
        Triplets.of_image([], [], []),
        boxes=np.array(gt_boxes, np.float32).reshape(-1, 4),
        box_labels=np.array(gt_labels, np.int64),
    )
    sample = HOIDataSample(metainfo=dict(img_id=img_id, img_path=f'{img_id}.jpg', eval_gt=gt))
    sample.pred_hois = InstanceData(
        human_boxes=torch.tensor(humans, dtype=torch.float32).reshape(-1, 4),
        object_boxes=torch.tensor(objects, dtype=torch.float32).reshape(-1, 4),
        object_labels=torch.tensor(object_labels, dtype=torch.int64),
        hoi_labels=torch.zeros(len(scores), dtype=torch.int64),
        scores=torch.tensor(scores, dtype=torch.float32),
    )
    return sample.to_dict()


def evaluate(samples, vocabulary=HICO_LIKE, **kwargs):
    metric = METRICS.build(dict(type='HOIBoxMetric', **kwargs))
    metric.dataset_meta = dict(vocabulary=vocabulary)
    metric.process(None, samples)
    return metric.evaluate(len(samples))


def test_one_person_in_several_pairs_is_one_detection():
    """Without NMS, the copies of the person would be false positives above the second person."""
    persons = [[0, 0, 40, 80], [100, 0, 140, 80]]
    cup = [20, 20, 30, 30]
    nearly = [0, 0, 41, 80]  # IoU 40 / 41
    sample = make_sample(
        [*persons, cup],
        [PERSON, PERSON, CUP],
        humans=[persons[0], nearly, nearly, persons[1]],
        objects=[cup, cup, [500, 500, 510, 510], [np.nan] * 4],
        object_labels=[CUP, CUP, HORSE, NO_OBJECT],
        scores=[1.9, 1.8, 1.7, 1.2],
    )
    figures = evaluate([sample])
    assert figures['boxes/person/mAP'] == figures['boxes/person/AR@100'] == 1
    assert figures['boxes/object/mAP'] == 1, 'the horse is annotated nowhere, so its class does not count'
    assert not any(key.endswith('mAP_l') for key in figures), 'nothing is annotated of that size'
    with_copies = evaluate([sample], nms_iou=1.0)
    # The copies are second and third: precision 1 up to half of the recall, then 2 of 4, at every of the 101 points.
    assert with_copies['boxes/person/mAP_50'] == pytest.approx((51 * 1 + 50 * 0.5) / 101, abs=5e-4)


def test_unannotated_persons_lower_the_precision_and_not_the_recall():
    bystander = [200, 0, 240, 80]
    sample = make_sample(
        [[0, 0, 40, 80]], [PERSON], [bystander, [0, 0, 40, 80]], [[np.nan] * 4] * 2, [NO_OBJECT] * 2, [1.9, 1.0]
    )
    figures = evaluate([sample])
    assert figures['boxes/person/AR@100'] == 1 and figures['boxes/person/mAP'] == 0.5
    assert not any(key.startswith('boxes/object') for key in figures), 'no object is annotated'


def test_no_detection_is_zero():
    figures = evaluate([make_sample([[0, 0, 9, 9]], [CUP], [[0, 0, 9, 9]], [[np.nan] * 4], [NO_OBJECT], [1.0])])
    assert figures == {f'boxes/object/{item}': 0 for item in ('mAP', 'mAP_50', 'mAP_75', 'AR@100')}


def test_equal_to_pycocotools_on_random_boxes():
    """The detections have no duplicates here, so COCO's program counts the same boxes."""
    rng = np.random.default_rng(0)
    samples, anns, dets = [], [], []
    for image in range(20):
        # Boxes of a grid, so that two of a class never overlap by more than the NMS allows.
        corners = np.stack(np.meshgrid(np.arange(3), np.arange(3)), -1).reshape(-1, 2) * 100.0
        boxes = np.concatenate([corners, corners + rng.uniform(20, 99, (9, 2))], axis=1)
        labels = rng.integers(0, 3, 9)
        labels[0] = PERSON
        found = boxes + rng.normal(0, 4, boxes.shape)
        scores = rng.permutation(90)[:9] / 50
        human = labels == PERSON
        samples.append(
            make_sample(
                boxes,
                labels,
                np.where(human[:, None], found, found[0]),
                np.where(human[:, None], np.nan, found),
                np.where(human, NO_OBJECT, labels),
                np.where(np.arange(9) == 0, 2.0, scores),
                image,
            )
        )
        for i, (box, label) in enumerate(zip(boxes.astype(np.float32), labels)):
            size = box[2:] - box[:2]
            anns.append(
                dict(
                    id=len(anns) + 1,
                    image_id=image,
                    category_id=int(label),
                    bbox=[*box[:2].tolist(), *size.tolist()],
                    area=float(size.prod()),
                    iscrowd=0,
                )
            )
            box = found[i].astype(np.float32)
            dets.append(
                dict(
                    image_id=image,
                    category_id=int(label),
                    bbox=[*box[:2].tolist(), *(box[2:] - box[:2]).tolist()],
                    score=2.0 if i == 0 else float(scores[i]),
                )
            )
    figures = evaluate(samples)
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = dict(
            images=[dict(id=i) for i in range(20)], categories=[dict(id=i) for i in range(3)], annotations=anns
        )
        coco.createIndex()
        for group, classes in dict(person=[PERSON], object=[CUP, HORSE]).items():
            official = COCOeval(coco, coco.loadRes(dets), 'bbox')
            official.params.catIds = classes
            official.evaluate()
            official.accumulate()
            official.summarize()
            for item, place in dict(mAP=0, mAP_50=1, mAP_75=2, mAP_s=3, mAP_m=4).items():
                assert figures[f'boxes/{group}/{item}'] == pytest.approx(official.stats[place], abs=6e-4)
            assert figures[f'boxes/{group}/AR@100'] == pytest.approx(official.stats[8], abs=6e-4)
            assert 0.2 < official.stats[0] < 0.9


def annotation(box, category):
    return dict(bbox=box, category_id=category)


def test_ground_truth_is_every_box_of_the_dataset(tmp_path):
    """Also those in no pair; for HICO-DET's release, each instance once."""
    dataset = HICODetDataset(
        ann_file=str(shared_path('annotations', 'hico_det_test.json')), test_mode=True, pipeline=[], lazy_init=True
    )
    records = dataset.load_records()
    assert dataset.family == 'upt_hico'
    record = max(records[:200], key=lambda record: len(record['annotations']))
    gt = dataset.parse_data_info(record)['eval_gt']
    assert len(gt.boxes) == len(gt.box_labels) == len(record['annotations'])
    assert 0 < gt.box_repeats.sum() < len(gt.boxes) and len(gt.triplets) == len(record['hoi_annotation'])
    metric = HOIBoxMetric()
    metric.dataset_meta = dict(vocabulary='hico')
    pred = dict(human_boxes=gt.boxes, object_boxes=gt.boxes, object_labels=gt.box_labels, scores=np.ones(len(gt.boxes)))
    entry = dict(det=metric.make_detections(pred), gt=gt)
    assert metric.evaluate_images([entry])['object/AR@100'] == 1

    dataset = VCOCODataset(ann_file='none', test_mode=True, pipeline=[], lazy_init=True)
    record = dict(
        file_name='a.jpg',
        annotations=[annotation([0, 0, 9, 9], 1), annotation([20, 0, 29, 9], 1), annotation([5, 5, 8, 8], 18)],
        hoi_annotation=[dict(subject_id=0, object_id=2, category_id=0)],
    )
    gt = dataset.parse_data_info(record)['eval_gt']
    names = load_vocabulary('vcoco').object_names
    assert [names[label] for label in gt.box_labels] == ['person', 'person', 'dog']
    np.testing.assert_array_equal(gt.boxes[1], [20, 0, 29, 9])
    assert not gt.box_repeats.any()


def test_arguments_and_missing_boxes_are_sentences():
    with pytest.raises(ValueError, match='nms_iou must be from 0 to 1, not 7'):
        HOIBoxMetric(nms_iou=7)
    with pytest.raises(ValueError, match='give outfile_prefix to the other metric'):
        HOIBoxMetric(outfile_prefix='x')
    sample = make_sample([], [], [[0, 0, 9, 9]], [[0, 0, 9, 9]], [CUP], [1.0])
    with pytest.raises(ValueError, match="needs 'person' among the objects"):
        evaluate([sample], dict(HICO_LIKE, objects=[dict(id=i, name=f'thing{i}') for i in range(3)]))
    sample['eval_gt'] = GroundTruth(Triplets.of_image([], [], []))
    with pytest.raises(ValueError, match='needs all boxes of the ground truth'):
        evaluate([sample])
