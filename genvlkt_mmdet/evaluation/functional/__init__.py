"""The evaluations as pure functions of numpy arrays."""

from .average_precision import area_ap, eleven_point_ap
from .diagnosis import (
    DIAGNOSIS_PROTOCOLS,
    ERRORS,
    FIXES,
    Diagnosis,
    fix_errors,
    interaction_ap,
    localisation,
    no_interaction_ap,
    verb_confusion,
)
from .hico import HICOResult, evaluate_hico, known_object_images, summarize_hico
from .hico_diagnosis import diagnose_hico
from .intervals import BoxedInterval, count_id_switches, f1_score, match_intervals, pair_overlap, time_iou
from .matching import equal_rows
from .robustness import Robustness, summarize_robustness
from .vcoco import VCOCODetections, VCOCOGroundTruth, evaluate_vcoco, summarize_vcoco
from .vcoco_diagnosis import diagnose_vcoco

__all__ = [
    'BoxedInterval',
    'DIAGNOSIS_PROTOCOLS',
    'Diagnosis',
    'ERRORS',
    'FIXES',
    'HICOResult',
    'Robustness',
    'VCOCODetections',
    'VCOCOGroundTruth',
    'area_ap',
    'count_id_switches',
    'diagnose_hico',
    'diagnose_vcoco',
    'eleven_point_ap',
    'equal_rows',
    'evaluate_hico',
    'evaluate_vcoco',
    'f1_score',
    'fix_errors',
    'interaction_ap',
    'known_object_images',
    'localisation',
    'match_intervals',
    'no_interaction_ap',
    'pair_overlap',
    'summarize_hico',
    'summarize_robustness',
    'summarize_vcoco',
    'time_iou',
    'verb_confusion',
]
