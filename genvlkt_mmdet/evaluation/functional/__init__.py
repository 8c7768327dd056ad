"""The evaluations as pure functions: numpy in, numbers out."""

from .average_precision import area_ap, eleven_point_ap
from .hico import HICOResult, evaluate_hico, hico_report, known_object_images
from .triplets import Triplets
from .vcoco import VCOCODetections, VCOCOGroundTruth, evaluate_vcoco, vcoco_report

__all__ = [
    'HICOResult',
    'Triplets',
    'VCOCODetections',
    'VCOCOGroundTruth',
    'area_ap',
    'eleven_point_ap',
    'evaluate_hico',
    'evaluate_vcoco',
    'hico_report',
    'known_object_images',
    'vcoco_report',
]
