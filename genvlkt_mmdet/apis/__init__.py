from .configs import find_config
from .hoi_inferencer import HOIInferencer

__all__ = ['HOIInferencer', 'find_config']
