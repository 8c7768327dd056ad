"""The evaluations as pure functions of numpy arrays."""

from .average_precision import area_ap, eleven_point_ap
from .hico import HICOResult, evaluate_hico, known_object_images, summarize_hico
from .matching import equal_rows
from .robustness import Robustness, summarize_robustness
from .vcoco import VCOCODetections, VCOCOGroundTruth, evaluate_vcoco, summarize_vcoco

__all__ = [
    'HICOResult',
    'Robustness',
    'VCOCODetections',
    'VCOCOGroundTruth',
    'area_ap',
    'eleven_point_ap',
    'equal_rows',
    'evaluate_hico',
    'evaluate_vcoco',
    'summarize_hico',
    'summarize_robustness',
    'known_object_images',
    'summarize_vcoco',
]
