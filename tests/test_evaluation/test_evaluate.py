import numpy as np
import pytest

from genvlkt_mmdet.evaluation import Detections, evaluate_detections
from genvlkt_mmdet.evaluation.functional import VCOCODetections
from genvlkt_mmdet.structures import Triplets


def test_persons_of_vcoco_are_no_triplets_of_another_dataset():
    nothing = Triplets(np.zeros(0, int), np.zeros((0, 4)), np.zeros((0, 4)), np.zeros(0, int), np.zeros(0))
    persons = Detections(VCOCODetections.from_triplets(nothing, [(0, 0)]))
    with pytest.raises(ValueError, match="persons of V-COCO's pickle"):
        evaluate_detections(persons, [], 'hico')
