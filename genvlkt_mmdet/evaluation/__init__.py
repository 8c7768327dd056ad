from .metrics import HICOMetric

__all__ = ['HICOMetric']
