"""The evaluations as pure functions: numpy in, numbers out."""

from .average_precision import area_ap, eleven_point_ap
from .hico import HICOResult, evaluate_hico, hico_report, known_object_images
from .vcoco import VCOCODetections, VCOCOGroundTruth, equal_rows, evaluate_vcoco, vcoco_report

__all__ = [
    'HICOResult',
    'VCOCODetections',
    'VCOCOGroundTruth',
    'area_ap',
    'eleven_point_ap',
    'equal_rows',
    'evaluate_hico',
    'evaluate_vcoco',
    'hico_report',
    'known_object_images',
    'vcoco_report',
]
