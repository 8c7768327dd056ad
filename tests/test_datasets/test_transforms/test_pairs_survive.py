"""Whatever mmdet's transforms do with boxes, a pair has its own boxes or is gone; what cannot be followed is refused."""

import copy

import numpy as np
import pytest
from mmdet.datasets.transforms import Albu
from mmdet.registry import TRANSFORMS

from genvlkt_mmdet.datasets.transforms import LoadHOIAnnotations, PackHOIInputs

PAIRS = [(0, 2), (0, 3), (1, 3), (1, -1), (4, 2)]


def make_item(first=0):
    """An image of 100 x 80 with five boxes; each has a label of its own, so that the labels tell which box is which."""
    boxes = [[5, 10, 30, 60], [70, 10, 95, 60], [20, 30, 40, 50], [60, 20, 90, 70], [2, 2, 8, 7]]
    humans, objects = np.array(PAIRS).T
    item = dict(
        img=np.random.default_rng(first).integers(0, 256, (80, 100, 3), dtype=np.uint8),
        img_shape=(80, 100),
        ori_shape=(80, 100),
        img_id=first,
        img_path=f'{first}.jpg',
        instances=[dict(bbox=box, bbox_label=first + i, ignore_flag=0) for i, box in enumerate(boxes)],
        # each pair says by its classes which labels its boxes have
        pairs=dict(
            human_ids=humans,
            object_ids=objects,
            object_labels=np.where(objects >= 0, first + objects, 999),
            hoi_labels=np.eye(100, dtype=np.float32)[first + humans],
        ),
    )
    return LoadHOIAnnotations()(item)


def check(results, firsts=(0,)):
    """Compares the packed pairs with what the labels of the remaining boxes say; returns the number of pairs."""
    box_of = dict(zip(results['gt_bboxes_labels'].tolist(), results['gt_bboxes'].tensor.tolist(), strict=True))
    expected = []
    for first in firsts:
        for human, obj in PAIRS:
            if first + human in box_of and (obj < 0 or first + obj in box_of):
                none = obj < 0
                expected.append(
                    (
                        box_of[first + human],
                        [0.0] * 4 if none else box_of[first + obj],
                        999 if none else first + obj,
                        first + human,
                    )
                )
    pairs = PackHOIInputs()(results)['data_samples'].gt_pairs
    found = list(
        zip(
            pairs.human_boxes.tolist(),
            pairs.object_boxes.tolist(),
            pairs.object_labels.tolist(),
            pairs.hoi_labels.argmax(1).tolist(),
            strict=True,
        )
    )
    assert sorted(found) == sorted(expected)
    return len(found)


@pytest.mark.parametrize(
    'transform',
    [
        dict(type='FilterAnnotations', min_gt_bbox_wh=(10, 10)),
        dict(type='FilterAnnotations', min_gt_bbox_wh=(22, 22)),
        dict(type='RandomAffine', max_translate_ratio=0.6),
        dict(type='RandomCrop', crop_size=(40, 40), allow_negative_crop=True),
        dict(type='RandomFlip', prob=1.0, direction='vertical'),
        dict(type='MinIoURandomCrop', min_crop_size=0.2),
        dict(type='RandomShift', prob=1.0, max_shift_px=60),
        dict(type='Expand', prob=1.0),
        dict(type='Resize', scale=(50, 60), keep_ratio=False),
        dict(type='Rotate', prob=1.0, max_mag=60.0),
        dict(type='ShearX', prob=1.0),
        dict(type='TranslateX', prob=1.0, max_mag=0.8),
        dict(type='CutOut', n_holes=3, cutout_shape=(9, 9)),
        dict(
            type='RandomCenterCropPad',
            crop_size=(60, 60),
            ratios=(1.0,),
            border=30,
            mean=[0.0] * 3,
            std=[1.0] * 3,
            to_rgb=True,
            test_pad_mode=None,
        ),
    ],
    ids=lambda cfg: cfg['type'],
)
def test_transforms_of_one_image(transform):
    np.random.seed(0)
    transform = TRANSFORMS.build(transform)
    counts = set()
    for _ in range(30):
        item = make_item()
        if type(transform).__name__ == 'RandomCenterCropPad':
            item['img'] = item['img'].astype(np.float32)
        counts.add(check(transform(item)))
    if type(transform).__name__ in ('FilterAnnotations', 'RandomAffine', 'RandomCrop', 'MinIoURandomCrop'):
        assert min(counts) < len(PAIRS)  # boxes were dropped


def test_several_transforms_in_a_row():
    np.random.seed(0)
    row = [
        TRANSFORMS.build(cfg)
        for cfg in (
            dict(type='FilterAnnotations', min_gt_bbox_wh=(10, 10)),
            dict(type='RandomFlip', prob=0.5),
            dict(type='RandomCrop', crop_size=(60, 70), allow_negative_crop=True),
            dict(type='RandomAffine'),
        )
    ]
    counts = set()
    for _ in range(30):
        results = make_item()
        for transform in row:
            results = transform(results)
        counts.add(check(results))
    assert len(counts) > 1


@pytest.mark.parametrize(
    'transform, others',
    [
        (dict(type='Mosaic', img_scale=(50, 50)), (20, 40, 60)),
        (dict(type='Mosaic', img_scale=(50, 50)), (20, 20, 0)),
        (dict(type='MixUp', img_scale=(80, 100), ratio_range=(0.5, 1.5)), (20,)),
    ],
    ids=['Mosaic', 'Mosaic of repeated images', 'MixUp'],
)
def test_joined_images_keep_the_pairs_of_all(transform, others):
    np.random.seed(0)
    transform = TRANSFORMS.build(transform)
    repeated = len({0, *others}) < len(others) + 1
    for _ in range(20):
        results = make_item()
        results['mix_results'] = [make_item(first) for first in others]
        results = transform(results)
        if repeated:  # the labels no longer tell boxes apart; the pairs of the two images that occur once still do
            pairs = results['gt_bboxes'].find_pairs()
            labels = results['gt_bboxes_labels']
            has_object = pairs['object_ids'] >= 0
            np.testing.assert_array_equal(labels[pairs['human_ids']], pairs['hoi_labels'].argmax(1))
            np.testing.assert_array_equal(labels[pairs['object_ids'][has_object]], pairs['object_labels'][has_object])
            rows = list(zip(pairs['human_ids'].tolist(), pairs['object_ids'].tolist(), strict=True))
            assert len(set(rows)) == len(rows)
        else:
            check(results, (0, *others))


def test_cached_mosaic_and_mixup():
    np.random.seed(0)
    row = [
        TRANSFORMS.build(dict(type='CachedMosaic', img_scale=(50, 50), max_cached_images=8)),
        TRANSFORMS.build(dict(type='CachedMixUp', img_scale=(100, 100), ratio_range=(1.0, 1.0), prob=1.0)),
    ]
    for i in range(40):
        results = make_item(20 * (i % 5))
        for transform in row:
            results = transform(results)
        pairs, labels = results['gt_bboxes'].find_pairs(), results['gt_bboxes_labels']
        has_object = pairs['object_ids'] >= 0
        np.testing.assert_array_equal(labels[pairs['human_ids']], pairs['hoi_labels'].argmax(1))
        np.testing.assert_array_equal(labels[pairs['object_ids'][has_object]], pairs['object_labels'][has_object])
        PackHOIInputs()(results)


def albu():
    """mmdet's wrapper with an augmentation that changes nothing: the library is not installed for the tests."""
    transform = Albu.__new__(Albu)
    transform.filter_lost_elements, transform.aug = False, lambda **data: data
    transform.keymap_to_albu = dict(img='image', gt_bboxes='bboxes')
    transform.keymap_back = dict(image='img', bboxes='gt_bboxes')
    return transform


def copy_paste(results):
    results['mix_results'] = [make_item(20)]
    return TRANSFORMS.build(dict(type='CopyPaste', paste_by_box=True))(results)


@pytest.mark.parametrize(
    'transform',
    [
        albu(),
        copy_paste,
        TRANSFORMS.build(dict(type='RandomErasing', n_patches=2, ratio=(0.3, 0.6))),
        TRANSFORMS.build(dict(type='GTBoxSubOne_GLIP')),
    ],
    ids=['Albu', 'CopyPaste', 'RandomErasing', 'GTBoxSubOne_GLIP'],
)
def test_new_boxes_are_refused(transform):
    np.random.seed(0)
    results = make_item()
    results = transform(results)
    with pytest.raises(ValueError, match='cannot tell which boxes the pairs belong to.*before LoadHOIAnnotations'):
        PackHOIInputs()(results)


def test_annotations_of_another_loader_are_refused():
    item = make_item()
    item = TRANSFORMS.build(dict(type='LoadAnnotations', with_bbox=True))(item)
    with pytest.raises(ValueError, match='Boxes must come from LoadHOIAnnotations'):
        PackHOIInputs()(item)


def test_the_sample_holds_plain_boxes():
    results = make_item()
    sample = PackHOIInputs()(copy.deepcopy(results))['data_samples']
    assert type(sample.gt_instances.bboxes).__name__ == 'HorizontalBoxes'
    np.testing.assert_array_equal(sample.gt_instances.bboxes.tensor, results['gt_bboxes'].tensor)
