"""The evaluations as pure functions of numpy arrays."""

from .average_precision import area_ap, eleven_point_ap
from .hico import HICOResult, evaluate_hico, known_object_images, summarize_hico
from .intervals import BoxedInterval, count_id_switches, f1_score, match_intervals, pair_overlap, time_iou
from .vcoco import VCOCODetections, VCOCOGroundTruth, equal_rows, evaluate_vcoco, summarize_vcoco

__all__ = [
    'BoxedInterval',
    'HICOResult',
    'VCOCODetections',
    'VCOCOGroundTruth',
    'area_ap',
    'count_id_switches',
    'eleven_point_ap',
    'equal_rows',
    'evaluate_hico',
    'evaluate_vcoco',
    'f1_score',
    'summarize_hico',
    'known_object_images',
    'match_intervals',
    'pair_overlap',
    'summarize_vcoco',
    'time_iou',
]
