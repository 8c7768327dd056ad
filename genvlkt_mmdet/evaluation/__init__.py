from .ground_truth import load_ground_truth
from .metrics import HICOMetric, VCOCOMetric
from .offline import Detections, evaluate_detections, load_detections

__all__ = ['Detections', 'HICOMetric', 'VCOCOMetric', 'evaluate_detections', 'load_detections', 'load_ground_truth']
