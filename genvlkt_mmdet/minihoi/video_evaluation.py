"""Measures a model on rendered videos, with and without smoothing."""

from collections.abc import Mapping
from pathlib import Path

from ..apis import HOIInferencer
from ..datasets.video_file import read_video
from ..progress import progress_bar
from ..text_table import text_table
from ..video import NO_SMOOTHING, Smoothing, Timeline, TimelineBuilder, read_timeline
from ..video.detection import track_pairs
from ..video.evaluation import TimelineScores, evaluate_timelines
from ..video.tracking import PairTracker
from .videos import render_minihoi_video


def evaluate_on_videos(
    inferencer: HOIInferencer,
    folder: str | Path,
    num_videos: int = 20,
    seed: int = 0,
    smoothing: Smoothing | None = None,
    stride: int = 1,
) -> dict[str, TimelineScores]:
    """Compares the timelines of rendered videos with the true ones.

    Args:
        inferencer (HOIInferencer): A model of MiniHOI.
        folder (str | Path): Folder for the videos. Those that are there already are used.
        num_videos (int): Number of videos. Default: 20.
        seed (int): Seed of the videos.
        smoothing (Smoothing, optional): None: the default settings.
        stride (int): As in :func:`~genvlkt_mmdet.video.detect_video`.

    Returns:
        dict[str, TimelineScores]: Scores of ``'raw'``, every frame for itself, and of ``'smoothed'``. Detections and tracks are
        the same for both.
    """
    settings = dict(raw=NO_SMOOTHING, smoothed=smoothing or Smoothing())
    predicted: dict[str, list[Timeline]] = {name: [] for name in settings}
    annotated = []
    with progress_bar('Videos', num_videos, inferencer.show_progress) as advance:
        for index in range(num_videos):
            path = Path(folder, f'seed{seed}_{index:04d}.mp4')
            if not (path.is_file() and path.with_suffix('.json').is_file()):
                render_minihoi_video(path, seed, index)
            annotated.append(read_timeline(path.with_suffix('.json')))
            with read_video(path, stride) as video:
                tracker = PairTracker(video.frame_rate / stride)
                builders = {
                    name: TimelineBuilder(
                        Timeline(path.name, video.width, video.height, video.frame_rate, stride), tracker.names, setting
                    )
                    for name, setting in settings.items()
                }
                for found in track_pairs(inferencer, video, tracker):
                    for builder in builders.values():
                        builder.update(found.frame, found.seconds, found.boxes, found.pairs)
            for name, builder in builders.items():
                predicted[name].append(builder.finish())
            advance(1)
    return {name: evaluate_timelines(timelines, annotated) for name, timelines in predicted.items()}


def video_table(scores: Mapping[str, TimelineScores]) -> str:
    """The scores as a table."""
    rows = [
        [
            name,
            *(f'{100 * value:.1f}' for value in (each.f1, each.precision, each.recall)),
            f'{each.predicted} of {each.annotated}',
        ]
        + [str(each.id_switches)]
        for name, each in scores.items()
    ]
    return text_table(['Timeline', 'F1', 'Precision', 'Recall', 'Intervals', 'ID switches'], rows)
