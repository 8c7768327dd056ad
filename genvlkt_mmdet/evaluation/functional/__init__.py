"""The evaluations as pure functions: numpy in, numbers out."""

from .boxes import box_iou
from .hico import HICOResult, evaluate_hico, hico_report, known_object_images
from .triplets import Triplets

__all__ = ['HICOResult', 'Triplets', 'box_iou', 'evaluate_hico', 'hico_report', 'known_object_images']
