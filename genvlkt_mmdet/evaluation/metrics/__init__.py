from .box_metric import HOIBoxMetric
from .hico_metric import HICOMetric
from .hoi_metric import HOIMetric
from .vcoco_metric import VCOCOMetric

__all__ = ['HICOMetric', 'HOIBoxMetric', 'HOIMetric', 'VCOCOMetric']
