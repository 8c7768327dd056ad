from .configs import find_config
from .hoi_inferencer import HOIInferencer
from .minihoi_demo import run_minihoi_demo

__all__ = ['HOIInferencer', 'find_config', 'run_minihoi_demo']
