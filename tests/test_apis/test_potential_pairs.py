"""Finding potential pairs: geometry by hand, and the shipped detector and CLIP on rendered images."""

import cv2
import numpy as np
import pytest
import torch

from genvlkt_mmdet.apis.potential_pairs import PotentialPairFinder, unions
from genvlkt_mmdet.minihoi import render_scene, sample_scene
from genvlkt_mmdet.structures import box_iou
from genvlkt_mmdet.vocabulary import load_vocabulary

DETECTOR = dict(config='detr_tiny_minihoi', checkpoint='genvlkt://detr_tiny_minihoi.pth')


@pytest.fixture(scope='module')
def finder():
    return PotentialPairFinder(load_vocabulary('minihoi'), DETECTOR, 'genvlkt://tiny_clip', zoom=False)


def test_each_object_gets_the_nearest_person(finder):
    # Persons (label 0) on the left and right, a ball (3) beside the right one, a car (9) between them but nearer to the left.
    boxes = torch.tensor([[0.0, 0, 10, 30], [80, 0, 90, 30], [92, 20, 98, 26], [20, 10, 60, 30]])
    pairs = finder.pair(boxes, torch.tensor([0, 0, 3, 9]))
    assert pairs.object_labels.tolist() == [3, 9]
    assert pairs.human_boxes.tolist() == [[80, 0, 90, 30], [0, 0, 10, 30]]
    assert len(finder.pair(boxes[2:], torch.tensor([3, 9]))) == 0  # nobody
    assert len(finder.pair(boxes[:2], torch.tensor([0, 0]))) == 0  # nothing


def test_unions():
    assert unions(torch.tensor([[1.0, 2, 5, 6]]), torch.tensor([[3.0, 1, 9, 4]])).tolist() == [[1, 1, 9, 6]]


def test_clip_sees_the_pair_alone(finder):
    image = np.full((40, 60, 3), 7, dtype=np.uint8)
    image[10:20, 20:50] = 200
    image[0:5, 0:5] = 90  # another thing
    view = finder.view(image, np.array([24.4, 8.0, 55.0, 18.2]))
    expected = np.full_like(image, 7)
    expected[10:19, 24:50] = 200
    np.testing.assert_array_equal(view, expected)


def test_zoom_shows_the_smallest_square(finder, monkeypatch):
    monkeypatch.setattr(finder, 'zoom', True)
    image = np.full((40, 60, 3), 7, dtype=np.uint8)
    image[10:20, 20:40] = 200
    view = finder.view(image, np.array([20.0, 10, 40, 20]))
    assert view.shape == (20, 20, 3)
    assert (view[5:15] == 200).all() and (view[:5] == 7).all() and (view[15:] == 7).all()


def test_finds_and_names_rendered_pairs(finder, tmp_path):
    """Of 24 images with one pair each, detector and CLIP get nearly all right, without any annotation."""
    vocabulary = load_vocabulary('minihoi')
    paths, truth = [], []
    for i in range(24):
        image, record = render_scene(sample_scene(np.random.default_rng([5, i]), hoi=i))
        paths.append(tmp_path / f'{i}.png')
        cv2.imwrite(str(paths[-1]), image[..., ::-1])
        truth.append([np.array(a['bbox'], dtype=np.float32) for a in record['annotations']])
    right = 0
    for hoi, found, (human, obj) in zip(range(24), finder.find(paths), truth, strict=True):
        for k in range(len(found)):
            allowed = np.isfinite(found.similarities[k])
            assert [vocabulary.hoi_objects[h] == found.object_labels[k] for h in range(46)] == allowed.tolist()
            overlap = min(box_iou(found.human_boxes[k], human), box_iou(found.object_boxes[k], obj))
            right += overlap >= 0.5 and found.similarities[k].argmax() == hoi
    assert right >= 22


def test_a_detector_of_other_classes_is_refused():
    vocabulary = load_vocabulary(
        dict(
            name='no persons',
            objects=[dict(id=1, name='cat'), dict(id=2, name='ball')],
            verbs=[dict(id=1, name='chase', phrase='chasing')],
            hois=[dict(id=1, verb=0, object=1, prompt='a photo of a cat chasing a ball')],
            object_prompts=['a cat', 'a ball', 'nothing'],
        )
    )
    with pytest.raises(ValueError, match="must both have 'person'"):
        PotentialPairFinder(vocabulary, DETECTOR, 'genvlkt://tiny_clip')


def test_weights_of_another_detector_are_refused():
    with pytest.raises(ValueError, match='does not fit'):
        PotentialPairFinder(
            load_vocabulary('minihoi'),
            dict(DETECTOR, checkpoint='genvlkt://gen_vlkt_tiny_minihoi.pth'),
            'genvlkt://tiny_clip',
        )
