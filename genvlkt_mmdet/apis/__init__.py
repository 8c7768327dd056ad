from .hoi_inferencer import HOIInferencer
from .minihoi_demo import run_minihoi_demo

__all__ = ['HOIInferencer', 'run_minihoi_demo']
