from .rendering import SPLIT_SIZES, render_minihoi
from .scenes import DIFFICULTIES, Difficulty, Scene, annotate, get_difficulty, render_scene, sample_scene

__all__ = [
    'DIFFICULTIES',
    'SPLIT_SIZES',
    'Difficulty',
    'Scene',
    'annotate',
    'get_difficulty',
    'render_minihoi',
    'render_scene',
    'sample_scene',
]
