from .evaluate import evaluate_detections
from .io import Detections, export_detections, load_detections
from .io.ground_truth import load_ground_truth
from .metrics import HICOMetric, HOIBoxMetric, VCOCOMetric

__all__ = [
    'Detections',
    'HICOMetric',
    'HOIBoxMetric',
    'VCOCOMetric',
    'evaluate_detections',
    'export_detections',
    'load_detections',
    'load_ground_truth',
]
