"""What the page does, without the page: detections with a vocabulary of their own for each request, and tables of them."""

import math
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..apis import AttendedImage, HOIInferencer, HOIResult, attend
from ..apis.attention import check_attention
from ..apis.sources import read_image
from ..apis.user_requests import RequestLimits, RequestVocabularies
from ..datasets.video_file import read_video
from ..video import Smoothing, Timeline, VideoResult, detect_video
from ..visualization import HOIVisualizer
from ..visualization.drawn_pairs import pairs_from_triplets
from ..vocabulary import HOIEntry, HOIReading

TABLE_HEADER = ('pair', 'interaction', 'score', 'confidence')
TIMELINE_HEADER = ('seconds', 'person', 'interaction', 'confidence')
READING_HEADER = ('you wrote', 'verb', 'object', 'status')


@dataclass(frozen=True)
class Limits(RequestLimits):
    """What a request may cost, see :class:`~genvlkt_mmdet.apis.user_requests.RequestLimits`.

    Args:
        video_seconds (float): Length of a video.
        seconds (float): Time that a video may take. The model looks at fewer frames if it is too slow for all.
    """

    video_seconds: float = 30
    seconds: float = 60


class HOIService:
    """Runs one model for many users, each with a vocabulary of their own.

    A model has one vocabulary at a time. A lock makes requests run one after another, and each one sets its vocabulary before it
    runs. So no request sees the vocabulary of another one.

    Args:
        inferencer (HOIInferencer): The model. Nothing else may use it in the meantime. Its vocabulary is the one of requests
            without phrases.
        limits (Limits): What a request may cost.
    """

    def __init__(self, inferencer: HOIInferencer, limits: Limits = Limits()) -> None:
        check_attention(inferencer)  # before the first request
        self.inferencer = inferencer
        self.limits = limits
        self._lock = threading.Lock()
        self._vocabularies = RequestVocabularies(inferencer, limits.phrases)

    def detect(
        self, path: str | Path, pred_score_thr: float, top_k: int, phrases: str = ''
    ) -> tuple[AttendedImage, tuple[HOIReading, ...]]:
        """Detects the interactions in an image.

        Args:
            path (str | Path): The image file.
            pred_score_thr (float): Score threshold, 0 to 2.
            top_k (int): Maximum number of triplets.
            phrases (str): Phrases or ``verb, object``, one per line. Empty: the vocabulary of the model.

        Returns:
            tuple: The interactions and the attention, and how the phrases were read.

        Raises:
            FileNotFoundError: If there is no such file, or no CLIP model for a new phrase.
            ValueError: If the file is no image or too large, a phrase cannot be read, or a number is out of range.
        """
        entries = self._vocabularies.read(phrases)
        pixels = read_image(str(path), self.limits.pixels)  # not by `attend`, which takes more than files
        with self._vocabulary(entries) as readings:
            attended = attend(self.inferencer, pixels, pred_score_thr, top_k, self.limits.pixels)
        attended.result.image = Path(path).name
        return attended, readings

    def detect_video(
        self, path: str | Path, out_dir: str | Path, pred_score_thr: float, phrases: str = ''
    ) -> tuple[VideoResult, tuple[HOIReading, ...]]:
        """Detects the interactions in a video, and writes the annotated video.

        The model looks at as many frames as it can in the time of the limits, evenly over the video.

        Args:
            path (str | Path): The video file.
            out_dir (str | Path): Folder for the annotated video.
            pred_score_thr (float): Score threshold, 0 to 2. An interaction begins at this score.
            phrases (str): As in :meth:`detect`.

        Returns:
            tuple: The timeline and the files, and how the phrases were read.

        Raises:
            FileNotFoundError: As :meth:`detect`.
            ValueError: As :meth:`detect`, or if the video is too long.
            ModuleNotFoundError: If a library of the extra ``video`` is not installed.
        """
        entries = self._vocabularies.read(phrases)
        with read_video(path, 1, self.limits.pixels) as video:
            rate, count, (_, _, first) = video.frame_rate, video.num_frames, next(video)
        most = math.ceil(self.limits.video_seconds * rate)
        if count is not None and count > most:
            raise ValueError(
                f"Video '{Path(path).name}' lasts {count / rate:.0f} seconds, more than the {self.limits.video_seconds:g} "
                'allowed: make it shorter.'
            )
        with self._vocabulary(entries) as readings:
            self.inferencer(first)  # the first run is slower
            start = time.monotonic()
            self.inferencer(first)
            frames = max(1, int(self.limits.seconds / (time.monotonic() - start)))
            found = detect_video(
                self.inferencer,
                path,
                out_dir,
                stride=math.ceil((count or most) / frames),
                smoothing=Smoothing.at_score(pred_score_thr),
                max_frames=min(frames, most),
                max_pixels=self.limits.pixels,
            )
        found.timeline.video = Path(path).name
        return found, readings

    def draw(self, attended: AttendedImage, query: int | None = None) -> np.ndarray:
        """Draws all interactions, or the attention of one pair, (H', W', 3) uint8 RGB."""
        with self._lock:  # Matplotlib is not safe for threads
            return attended.result.plot(max_hois=len(attended.result)) if query is None else attended.draw(query)

    @contextmanager
    def _vocabulary(self, entries: Sequence[HOIEntry]) -> Iterator[tuple[HOIReading, ...]]:
        """Sets the vocabulary of a request, and keeps other requests out until the request is done."""
        with self._lock:
            self._vocabularies.use(entries)
            yield self.inferencer.model.readings


def pair_rows(result: HOIResult) -> list[list[int | str | float]]:
    """The rows of the table of interactions: number of the pair on the drawing, phrase, score and confidence."""
    numbers = {query: i for i, pair in enumerate(pairs_from_triplets(result), 1) for query in pair.queries}
    return [
        [numbers[hoi['query']], hoi['phrase'], round(hoi['score'], 2), round(hoi['confidence'], 2)] for hoi in result
    ]


def timeline_rows(timeline: Timeline) -> list[list[int | str | float]]:
    """The rows of the table of a video: time, number of the person, phrase and confidence."""
    return [
        [f'{each.from_seconds:.1f} to {each.to_seconds:.1f}', each.human, each.phrase, round(each.confidence, 2)]
        for each in timeline.intervals
    ]


def query_of_row(result: HOIResult, row: Sequence) -> int | None:
    """The query of a row of :func:`pair_rows`, in whatever order the rows are shown."""
    return next((hoi['query'] for hoi, own in zip(result, pair_rows(result)) if own[:2] == list(row[:2])), None)


def reading_rows(readings: tuple[HOIReading, ...]) -> list[list[str]]:
    """The rows of the table of phrases."""
    rows = []
    for reading in readings:
        wrote = reading.entry if isinstance(reading.entry, str) else ', '.join(part or '-' for part in reading.entry)
        rows.append([wrote, reading.verb, reading.obj or '-', reading.status])
    return rows


def pair_at(result: HOIResult, point: tuple[float, float]) -> int | None:
    """Finds the pair at a point of the drawing of a result.

    Args:
        result (HOIResult): The result.
        point (tuple[float, float]): x and y in pixels of the drawing.

    Returns:
        int | None: The query of the pair with the smallest box around the point. None: no box is there.
    """
    x, y = np.array(point) / HOIVisualizer().scale((result.height, result.width))
    found = []
    for hoi in result:
        for x1, y1, x2, y2 in filter(None, (hoi['human_box'], hoi['object_box'])):
            if x1 <= x <= x2 and y1 <= y <= y2:
                found.append(((x2 - x1) * (y2 - y1), hoi['query']))
    return min(found)[1] if found else None
