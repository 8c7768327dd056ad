from .detection import VideoResult, detect_video
from .smoothing import NO_SMOOTHING, Smoothing, TimelineBuilder
from .timeline import Interval, Timeline, Track, read_timeline, timeline_schema
from .tracking import PairTracker

__all__ = [
    'NO_SMOOTHING',
    'Interval',
    'PairTracker',
    'Smoothing',
    'Timeline',
    'TimelineBuilder',
    'Track',
    'VideoResult',
    'detect_video',
    'read_timeline',
    'timeline_schema',
]
