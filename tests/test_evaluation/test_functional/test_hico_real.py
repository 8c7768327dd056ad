"""The real HICO-DET test annotations as their own detections."""

import json

import numpy as np
import pytest

from genvlkt_mmdet.evaluation import Detections, evaluate_detections
from genvlkt_mmdet.structures import GroundTruth, Triplets
from genvlkt_mmdet.vocabulary import load_vocabulary
from tests.shared import shared_path
from tests.test_evaluation.plain_hico import plain_hico


@pytest.fixture(scope='module')
def split():
    """Images and their triplets, straight from the file (UPT's: 1-based boxes, HOI indices)."""
    data = json.loads(shared_path('annotations', 'hico_det_test.json').read_text())
    images = [
        dict(
            file_name=name,
            img_id=i,
            eval_gt=GroundTruth(
                Triplets.of_image(
                    np.array(image['boxes_h']).reshape(-1, 4) - 1,
                    np.array(image['boxes_o']).reshape(-1, 4) - 1,
                    np.array(image['hoi'], dtype=int),
                )
            ),
        )
        for i, (name, image) in enumerate(zip(data['filenames'], data['annotation']))
    ]
    return images, Triplets.join([image['eval_gt'].triplets for image in images]), data


def test_ground_truth_as_detections_is_perfect(split):
    """A detection equal to an annotation overlaps it by 1. Only an annotation that stands twice in an image and class,
    to the pixel, could lose; the split has none, so nothing is left to explain: all 600 classes reach 1."""
    images, gts, _ = split
    rows = np.column_stack([gts.images, gts.labels, gts.human_boxes, gts.object_boxes])
    assert len(np.unique(rows, axis=0)) == len(gts) == 33405
    scores = np.random.default_rng(0).random(len(gts))
    dets = Triplets(gts.images, gts.human_boxes, gts.object_boxes, gts.labels, scores)
    summary = evaluate_detections(Detections(dets), images, 'hico', zero_shot='unseen_verb')
    for mode in ('default', 'known_object'):
        assert summary[mode]['ap'] == [1.0] * 600
        assert [summary[mode][key] for key in ('full', 'rare', 'non_rare', 'mean_max_recall')] == [1, 1, 1, 1]
    assert summary['zero_shot'] == dict(unseen=1, seen=1, full=1)


def test_the_vocabulary_has_the_official_rare_classes(split):
    _, _, data = split
    assert sorted(load_vocabulary('hico').rare) == data['rare'] and len(data['rare']) == 138


def test_a_fixed_perturbation(split):
    """Every box moved by up to a quarter of its size, and a wrong class for every fifth triplet."""
    images, gts, _ = split
    bits = np.random.PCG64(20261122)
    u = (bits.random_raw(11 * len(gts)) >> 11).reshape(-1, 11) * 2.0**-53

    def move(boxes, noise):
        size = boxes[:, 2:] - boxes[:, :2] + 1
        return boxes + (noise - 0.5) * 0.5 * np.tile(size, 2)

    labels = np.where(u[:, 8] < 0.2, (u[:, 9] * 600).astype(int), gts.labels)
    dets = Triplets(gts.images, move(gts.human_boxes, u[:, :4]), move(gts.object_boxes, u[:, 4:8]), labels, u[:, 10])
    summary = evaluate_detections(Detections(dets), images, 'hico', zero_shot='rare_first')
    figures = {
        **{f'default {key}': summary['default'][key] for key in ('full', 'rare', 'non_rare', 'mean_max_recall')},
        **{f'known object {key}': summary['known_object'][key] for key in ('full', 'rare', 'non_rare')},
        **{f'zero-shot {key}': summary['zero_shot'][key] for key in ('unseen', 'seen')},
    }
    np.testing.assert_allclose(summary['default']['ap'], plain_hico(dets, gts, 600), atol=1e-12)
    assert figures == pytest.approx(EXPECTED, abs=1e-9)


# Recorded with the evaluation that equals the official program on the fixtures.
EXPECTED = {
    'default full': 0.4125471873107772,
    'default rare': 0.2979144751485481,
    'default non_rare': 0.4467881273072873,
    'default mean_max_recall': 0.6738781984189826,
    'known object full': 0.603917255194856,
    'known object rare': 0.6192635877507787,
    'known object non_rare': 0.5993332857300997,
    'zero-shot unseen': 0.2950460640056221,
    'zero-shot seen': 0.44192246813706604,
}
