from .hico_metric import HICOMetric
from .vcoco_metric import VCOCOMetric

__all__ = ['HICOMetric', 'VCOCOMetric']
