from .hoi_visualizer import HOIVisualizer

__all__ = ['HOIVisualizer']
