"""Detects the interactions in a video: tracks, timeline and annotated video."""

from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from ..apis import HOIInferencer
from ..datasets.image_file import MAX_PIXELS
from ..datasets.video_file import VideoReader, new_video, read_video
from ..progress import progress_bar
from ..visualization.drawn_pairs import DrawnPair
from ..visualization.frame_drawing import draw_frame
from .smoothing import Smoothing, TimelineBuilder
from .timeline import Timeline
from .tracking import Pair, PairTracker

LOWEST_SCORE = 1.0
"""Score above which triplets are tracked. Where the object is certain, a score is about 1 or more."""


@dataclass
class TrackedFrame:
    """A frame of a video and what was found in it.

    Attributes:
        frame (int): Its index in the video, from 0.
        seconds (float): Its time.
        pixels (np.ndarray): (H, W, 3) uint8 BGR.
        boxes (dict[int, np.ndarray]): Box (4,) of each track in it.
        pairs (list): Pair of tracks and triplet of each interaction.
    """

    frame: int
    seconds: float
    pixels: np.ndarray
    boxes: dict[int, np.ndarray]
    pairs: list[tuple[Pair, Mapping[str, Any]]]


@dataclass
class VideoResult:
    """What :func:`detect_video` has found.

    Attributes:
        timeline (Timeline): The interactions and tracks.
        files (list[Path]): The files that were written: annotated video, JSON and CSV.
        error (str | None): Why the video broke off before its end. None: it did not.
    """

    timeline: Timeline
    files: list[Path]
    error: str | None = None


def detect_video(
    inferencer: HOIInferencer,
    source: str | Path | int,
    out_dir: str | Path | None = None,
    stride: int = 1,
    smoothing: Smoothing | None = None,
    batch_size: int = 1,
    save_video: bool = True,
    max_frames: int | None = None,
    max_pixels: int = MAX_PIXELS,
    name: str | None = None,
) -> VideoResult:
    """Detects the interactions in a video, a camera or a stream, and follows them over time.

    A few frames are in memory at a time, whatever the length. Ctrl-C ends a camera: the files have what was seen until then.

    Args:
        inferencer (HOIInferencer): The model.
        source (str | Path | int): As in :func:`~genvlkt_mmdet.datasets.video_file.read_video`.
        out_dir (str | Path, optional): Folder for ``<name>.mp4`` (the annotated video), ``<name>.json`` and ``<name>.csv`` (the
            timeline). None: nothing is written.
        stride (int): The model looks at every ``stride``-th frame. Default: 1.
        smoothing (Smoothing, optional): When an interaction begins and ends. None: the default settings.
        batch_size (int): Frames per batch. Default: 1.
        save_video (bool): Whether to write the annotated video. Default: True.
        max_frames (int, optional): Maximum number of frames that the model looks at. None: no limit.
        max_pixels (int): Maximum width times height of a frame.
        name (str, optional): Name of the files without suffix. None: that of the source.

    Returns:
        VideoResult: The timeline, and the files.

    Raises:
        FileNotFoundError, ValueError, ModuleNotFoundError: As in :func:`~genvlkt_mmdet.datasets.video_file.read_video`.
        OSError: If a result cannot be written.
    """
    if max_frames is not None and (isinstance(max_frames, bool) or not isinstance(max_frames, int) or max_frames < 1):
        raise ValueError(f'max_frames must be a whole number of at least 1, not {max_frames!r}.')
    files: list[Path] = []
    with ExitStack() as stack:
        video = stack.enter_context(read_video(source, stride, max_pixels))
        tracker = PairTracker(video.frame_rate / stride)
        timeline = Timeline(video.source, video.width, video.height, video.frame_rate, stride)
        builder = TimelineBuilder(timeline, tracker.names, smoothing or Smoothing())
        stem = Path(out_dir or '', name or _name(source))
        writer = None
        if out_dir is not None and save_video:
            files.append(stem.with_name(f'{stem.name}.mp4'))
            if isinstance(source, (str, Path)) and files[0].exists() and files[0].samefile(source):
                raise ValueError(f"The annotated video would replace '{source}': choose another output folder.")
            writer = stack.enter_context(new_video(files[0], video.frame_rate / stride))
        painter = Painter()
        advance = stack.enter_context(progress_bar('Video', video.num_frames, inferencer.show_progress))
        try:
            for found in track_pairs(inferencer, video, tracker, batch_size, max_frames):
                going_on = builder.update(found.frame, found.seconds, found.boxes, found.pairs)
                if writer is not None:
                    writer.write(draw_frame(found.pixels, painter.pairs(found.boxes, going_on)), found.seconds)
                advance(1)
        except KeyboardInterrupt:
            if not timeline.frames:
                raise
        if not timeline.frames:
            raise ValueError(f"No frame of '{video.source}' could be processed.")
        builder.finish()
    if out_dir is not None:
        for suffix in ('json', 'csv'):
            files.append(stem.with_name(f'{stem.name}.{suffix}'))
            timeline.write(files[-1])
    return VideoResult(timeline, files, video.error)


class Painter:
    """What to draw on each frame. A pair of tracks keeps its colour, and its boxes while it is not detected for a moment."""

    def __init__(self) -> None:
        self._colors: dict[Pair, int] = {}
        self._boxes: dict[int, np.ndarray] = {}

    def pairs(self, boxes: dict[int, np.ndarray], going_on: dict[Pair, list[str]]) -> list[DrawnPair]:
        """The pairs of a frame.

        Args:
            boxes (dict[int, np.ndarray]): Box of each track in this frame.
            going_on (dict[Pair, list[str]]): Phrases of each pair of tracks.

        Returns:
            list[DrawnPair]: The pairs in the order in which they first appeared.
        """
        self._boxes.update(boxes)
        for pair in going_on:
            self._colors.setdefault(pair, len(self._colors))
        drawn = []
        for pair in sorted(going_on, key=self._colors.__getitem__):
            human, obj = pair
            drawn.append(
                DrawnPair(
                    self._boxes[human],
                    None if obj is None else self._boxes[obj],
                    dict.fromkeys(going_on[pair]),
                    self._colors[pair],
                )
            )
        return drawn


def track_pairs(
    inferencer: HOIInferencer,
    video: VideoReader,
    tracker: PairTracker,
    batch_size: int = 1,
    max_frames: int | None = None,
) -> Iterator[TrackedFrame]:
    """Detects the interactions in the frames of a video, and follows persons and objects.

    Args:
        inferencer (HOIInferencer): The model.
        video (VideoReader): The frames.
        tracker (PairTracker): A new tracker for their frame rate.
        batch_size (int): As in :func:`detect_video`.
        max_frames (int, optional): As in :func:`detect_video`.

    Yields:
        TrackedFrame: Each frame, in order.
    """
    waiting: deque[tuple[int, float]] = deque()

    def frames() -> Iterator[np.ndarray]:
        for frame, seconds, pixels in islice(video, max_frames):
            waiting.append((frame, seconds))
            yield pixels

    for result in inferencer.stream(frames(), batch_size=batch_size, pred_score_thr=LOWEST_SCORE):
        yield TrackedFrame(*waiting.popleft(), result.pixels, *tracker.update(result))


def _name(source: str | Path | int) -> str:
    """Name of the output files without suffix."""
    if isinstance(source, int) or str(source).isdecimal():
        return f'camera_{source}'
    return Path(urlsplit(str(source)).path if '://' in str(source) else source).stem or 'video'
