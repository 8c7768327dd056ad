import numpy as np
import pytest
import torch
from mmdet.registry import TRANSFORMS

from genvlkt_mmdet.datasets.transforms import LoadHOIAnnotations, PackHOIInputs
from genvlkt_mmdet.structures import GroundTruth, HOIDataSample, Triplets


@pytest.fixture
def item():
    """A 100 x 80 image: person 0 left, person 1 right, cup 2 left, horse 3 right; one pair has no object."""
    rng = np.random.default_rng(0)
    boxes = [[5, 10, 30, 60], [70, 10, 95, 60], [20, 30, 40, 50], [60, 20, 90, 70]]
    return dict(
        img=rng.integers(0, 256, (80, 100, 3), dtype=np.uint8),
        img_shape=(80, 100),
        ori_shape=(80, 100),
        img_id=3,
        img_path='x.jpg',
        instances=[
            dict(bbox=box, bbox_label=label, ignore_flag=0) for box, label in zip(boxes, [0, 0, 41, 17], strict=True)
        ],
        pairs=dict(
            human_ids=np.array([0, 0, 1, 1]),
            object_ids=np.array([2, 3, 3, -1]),
            object_labels=np.array([41, 17, 17, 80]),
            hoi_labels=np.eye(4, 5, dtype=np.float32),
        ),
    )


def test_pack(item):
    item['clip_image'] = torch.ones(3, 4, 4)
    item['eval_gt'] = GroundTruth(Triplets.of_image([[0, 0, 1, 1]], [[0, 0, 1, 1]], [1]))
    image = item['img'].copy()
    packed = PackHOIInputs()(LoadHOIAnnotations()(item))
    sample = packed['data_samples']
    assert isinstance(sample, HOIDataSample)
    np.testing.assert_array_equal(packed['inputs'].numpy(), image.transpose(2, 0, 1))
    pairs = sample.gt_pairs
    assert pairs.human_boxes.tolist() == [[5, 10, 30, 60]] * 2 + [[70, 10, 95, 60]] * 2
    assert pairs.object_boxes.tolist() == [[20, 30, 40, 50], [60, 20, 90, 70], [60, 20, 90, 70], [0, 0, 0, 0]]
    assert pairs.object_labels.tolist() == [41, 17, 17, 80]
    assert pairs.hoi_labels.tolist() == np.eye(4, 5).tolist()
    assert pairs.human_boxes.dtype == pairs.hoi_labels.dtype == torch.float32
    assert sample.clip_image.shape == (3, 4, 4) and sample.eval_gt.triplets.labels.tolist() == [1]
    assert sample.img_id == 3 and sample.ori_shape == (80, 100)


def test_without_boxes_there_are_no_pairs(item):
    sample = PackHOIInputs()(item)['data_samples']
    assert 'gt_pairs' not in sample and 'clip_image' not in sample


def test_flip_moves_pairs(item):
    item = TRANSFORMS.build(dict(type='RandomFlip', prob=1.0))(LoadHOIAnnotations()(item))
    pairs = PackHOIInputs()(item)['data_samples'].gt_pairs
    assert pairs.human_boxes[0].tolist() == [70, 10, 95, 60]
    assert pairs.object_boxes[0].tolist() == [60, 30, 80, 50]
    assert pairs.object_boxes[3].tolist() == [0, 0, 0, 0]  # no object stays no object


def test_dropped_boxes_drop_their_pairs(item):
    """The left half: person 1 and the horse are gone, and with them three of the four pairs."""
    crop = TRANSFORMS.build(dict(type='RandomCrop', crop_size=(50, 80), allow_negative_crop=True))
    crop._rand_offset = lambda margin: (0, 0)
    pairs = PackHOIInputs()(crop(LoadHOIAnnotations()(item)))['data_samples'].gt_pairs
    assert pairs.human_boxes.tolist() == [[5, 10, 30, 60]]
    assert pairs.object_boxes.tolist() == [[20, 30, 40, 50]]
    assert pairs.hoi_labels.tolist() == [[1, 0, 0, 0, 0]]


def test_random_crops_agree_with_plain_geometry(item):
    """Over many crops, exactly the pairs whose boxes both touch the crop remain, with boxes cut to it."""
    crop = TRANSFORMS.build(
        dict(type='RandomCrop', crop_type='absolute_range', crop_size=(20, 70), allow_negative_crop=True)
    )
    boxes = np.array([i['bbox'] for i in item['instances']], dtype=float)
    np.random.seed(1)
    seen = set()
    for _ in range(200):
        trial = {k: (v.copy() if isinstance(v, np.ndarray) else v) for k, v in item.items()}
        out = crop(LoadHOIAnnotations()(trial))
        (h, w), (ox, oy) = out['img_shape'], -out['homography_matrix'][:2, 2]
        cut = boxes - [ox, oy, ox, oy]
        cut = np.clip(cut, 0, [w, h, w, h])
        alive = (cut[:, 2] > cut[:, 0]) & (cut[:, 3] > cut[:, 1])
        expected = [
            (cut[human], cut[obj] if obj >= 0 else np.zeros(4), k)
            for k, (human, obj) in enumerate([(0, 2), (0, 3), (1, 3), (1, -1)])
            if alive[human] and (obj < 0 or alive[obj])
        ]
        pairs = PackHOIInputs()(out)['data_samples'].gt_pairs
        assert pairs.hoi_labels.argmax(1).tolist() == [k for *_, k in expected]
        if expected:
            np.testing.assert_allclose(pairs.human_boxes.numpy(), [e[0] for e in expected])
            np.testing.assert_allclose(pairs.object_boxes.numpy(), [e[1] for e in expected])
        seen.add(len(expected))
    assert {0, 1, 2, 4} <= seen  # the draws cover nothing, something and everything
