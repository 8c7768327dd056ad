"""Turns the scores of single frames into interactions with a begin and an end."""

import math
from array import array
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from .timeline import Interval, Timeline, Track
from .tracking import Pair

_FORGOTTEN = 0.05  # an interaction with a lower smoothed confidence is as good as one that was never seen


@dataclass(frozen=True)
class Smoothing:
    """When an interaction begins and ends.

    Attributes:
        seconds (float): Time constant of the exponential mean of the confidence. Gaps and peaks that are much shorter have no
            effect. 0: no smoothing.
        begin (float): An interaction begins when the mean rises to this confidence, in (0, 1].
        end (float): It ends when the mean falls below this one, in (0, ``begin``].
        shortest (float): Shorter interactions are dropped, in seconds.
    """

    seconds: float = 0.6
    begin: float = 0.5
    end: float = 0.4
    shortest: float = 0.5

    def __post_init__(self) -> None:
        for name, value, least, most in (
            ('seconds', self.seconds, 0, math.inf),
            ('begin', self.begin, _FORGOTTEN, 1),
            ('end', self.end, _FORGOTTEN, self.begin),
            ('shortest', self.shortest, 0, math.inf),
        ):
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not least <= value <= most:
                raise ValueError(f'{name} of Smoothing must be a number from {least:g} to {most:g}, not {value!r}.')

    @classmethod
    def at_score(cls, score_thr: float, end_share: float = 0.8) -> 'Smoothing':
        """Interactions that begin at a score threshold, 0 to 2, and end at ``end_share`` of its confidence, score - 1."""
        begin = min(max(score_thr - 1, 0.1), 1)
        return cls(begin=begin, end=end_share * begin)


NO_SMOOTHING = Smoothing(seconds=0, end=Smoothing.begin, shortest=0)
"""Every frame for itself: what a threshold on single images gives."""


@dataclass
class _Interaction:
    """An interaction that may have begun. Frames and times are those of the first and the last evidence for it."""

    pair: Pair
    triplet: Mapping[str, Any]
    mean: float = 0.0
    on: bool = False
    first: tuple[int, float] | None = None
    last: tuple[int, float] = (0, 0.0)
    total: float = 0.0
    count: int = 0
    sums: tuple[float, int] = (0.0, 0)  # total and count at the last evidence


class TimelineBuilder:
    """Builds the timeline of a video frame by frame.

    Args:
        timeline (Timeline): What is known before the first frame. It is filled.
        names (Mapping[int, str]): Class of each track, see :class:`PairTracker`.
        smoothing (Smoothing): The settings.
    """

    def __init__(self, timeline: Timeline, names: Mapping[int, str], smoothing: Smoothing) -> None:
        self._timeline, self._names, self._smoothing = timeline, names, smoothing
        self._step = timeline.stride / timeline.frame_rate
        self._open: dict[tuple[Pair, str], _Interaction] = {}
        self._frames: dict[int, array] = {}
        self._boxes: dict[int, array] = {}
        self._time: float | None = None

    def update(
        self,
        frame: int,
        seconds: float,
        boxes: Mapping[int, np.ndarray],
        pairs: list[tuple[Pair, Mapping[str, Any]]],
    ) -> dict[Pair, list[str]]:
        """Takes the next frame.

        Args:
            frame (int): Its index in the video.
            seconds (float): Its time.
            boxes (Mapping[int, np.ndarray]): As :meth:`PairTracker.update` returns it.
            pairs (list): As :meth:`PairTracker.update` returns it.

        Returns:
            dict[Pair, list[str]]: Phrases of the interactions that go on in this frame, by pair of tracks.
        """
        for track, box in boxes.items():
            self._frames.setdefault(track, array('q')).append(frame)
            self._boxes.setdefault(track, array('f')).extend(box)
        found: dict[tuple[Pair, str], Mapping[str, Any]] = {}
        for pair, triplet in pairs:
            found.setdefault((pair, triplet['phrase']), triplet)  # the best comes first
        passed = self._step if self._time is None else max(seconds - self._time, 1e-6)
        keep = math.exp(-passed / self._smoothing.seconds) if self._smoothing.seconds else 0.0
        for key, triplet in found.items():
            self._open.setdefault(key, _Interaction(key[0], triplet))
        going_on: dict[Pair, list[str]] = {}
        for key, each in list(self._open.items()):
            confidence = found[key]['confidence'] if key in found else 0.0
            self._step_interaction(each, confidence, keep, frame, seconds)
            if each.on:
                going_on.setdefault(key[0], []).append(key[1])
            elif key not in found and each.mean < _FORGOTTEN:
                del self._open[key]
        self._time = seconds
        self._timeline.frames += 1
        self._timeline.seconds = round(seconds + self._step, 3)
        return going_on

    def finish(self, all_tracks: bool = False) -> Timeline:
        """Ends what still goes on, and returns the timeline.

        Args:
            all_tracks (bool): Whether it has the tracks without an interval too. Default: False.
        """
        for each in self._open.values():
            self._close(each)
        self._open.clear()
        timeline = self._timeline
        timeline.intervals.sort(key=lambda each: (each.from_frame, each.human, each.object or 0, each.phrase))
        used = {track for each in timeline.intervals for track in (each.human, each.object) if track is not None}
        if all_tracks:
            used = set(self._frames)
        timeline.tracks = [
            Track(
                track,
                self._names[track],
                np.array(self._frames[track]),
                np.array(self._boxes[track], np.float32).reshape(-1, 4),
            )
            for track in sorted(used)
        ]
        return timeline

    def _step_interaction(self, each: _Interaction, confidence: float, keep: float, frame: int, seconds: float) -> None:
        each.mean = keep * each.mean + (1 - keep) * confidence
        each.total, each.count = each.total + confidence, each.count + 1
        if confidence >= self._smoothing.end:
            if each.first is None:
                each.first, each.total, each.count = (frame, seconds), confidence, 1
            each.last, each.sums = (frame, seconds), (each.total, each.count)
        elif not each.on and seconds - each.last[1] > self._smoothing.seconds / 2:
            each.first = None  # what comes is a new rise
        if not each.on and each.mean >= self._smoothing.begin:
            each.on = True
        elif each.on and each.mean < self._smoothing.end:
            self._close(each)

    def _close(self, each: _Interaction) -> None:
        """Adds an interaction to the timeline if it began and lasted long enough."""
        if each.on and each.first is not None:
            end = each.last[1] + self._step
            if end - each.first[1] >= self._smoothing.shortest - 1e-6:
                human, obj = each.pair
                total, count = each.sums
                self._timeline.intervals.append(
                    Interval(
                        human=human,
                        object=obj,
                        object_name=each.triplet['object'] if obj is not None else None,
                        verb=each.triplet['verb'],
                        phrase=each.triplet['phrase'],
                        from_frame=each.first[0],
                        to_frame=each.last[0],
                        from_seconds=round(each.first[1], 3),
                        to_seconds=round(end, 3),
                        confidence=round(total / count, 4),
                    )
                )
        each.on, each.first = False, None
