from .dataset import MiniHOIDataset
from .demo import run_demo
from .example import render_example
from .rendering import SPLIT_SIZES, render_minihoi
from .scenes import (
    DIFFICULTIES,
    Difficulty,
    Scene,
    annotate,
    get_difficulty,
    render_scene,
    sample_pairs,
    sample_scene,
)
from .video_evaluation import evaluate_on_videos, video_table
from .videos import render_minihoi_video

__all__ = [
    'DIFFICULTIES',
    'SPLIT_SIZES',
    'Difficulty',
    'MiniHOIDataset',
    'Scene',
    'annotate',
    'evaluate_on_videos',
    'get_difficulty',
    'render_example',
    'render_minihoi',
    'render_minihoi_video',
    'render_scene',
    'run_demo',
    'sample_pairs',
    'sample_scene',
    'video_table',
]
