import numpy as np
import pytest

from genvlkt_mmdet.evaluation.functional import evaluate_hico
from genvlkt_mmdet.structures import Triplets

GROUND_TRUTH = Triplets(np.zeros(1, int), np.ones((1, 4)), np.ones((1, 4)), np.zeros(1, int))


def test_ground_truth_in_place_of_detections_is_a_sentence():
    with pytest.raises(ValueError, match='no scores: they are ground truth'):
        evaluate_hico(GROUND_TRUTH, GROUND_TRUTH, num_classes=1)


def test_known_object_asks_for_the_objects_of_the_classes():
    dets = Triplets(**{**vars(GROUND_TRUTH), 'scores': np.ones(1)})
    with pytest.raises(ValueError, match='Known Object needs `hoi_objects`'):
        evaluate_hico(dets, GROUND_TRUTH, num_classes=1, known_objects=np.ones((1, 1), dtype=bool))
