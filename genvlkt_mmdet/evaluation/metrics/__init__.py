from .hico_metric import HICOMetric

__all__ = ['HICOMetric']
