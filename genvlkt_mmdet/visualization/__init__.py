from .hoi_visualizer import DEFAULT_SCORE_THR, HOIVisualizer

__all__ = ['DEFAULT_SCORE_THR', 'HOIVisualizer']
