"""Files of detections and ground truth: our results file and the formats of the official programs."""

from .detections import Detections, export_detections, load_detections
from .official_hico import read_hico_mats, write_hico_mats
from .official_vcoco import read_vcoco_pickle, write_vcoco_pickle
from .results_file import read_results, write_results

__all__ = [
    'Detections',
    'export_detections',
    'load_detections',
    'read_hico_mats',
    'read_results',
    'read_vcoco_pickle',
    'write_hico_mats',
    'write_results',
    'write_vcoco_pickle',
]
