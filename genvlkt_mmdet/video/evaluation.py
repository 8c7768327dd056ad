"""Compares timelines with the true ones."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..evaluation.functional import BoxedInterval, count_id_switches, f1_score, match_intervals
from .timeline import Timeline


@dataclass(frozen=True)
class TimelineScores:
    """How well timelines match the true ones.

    Attributes:
        precision (float): Share of the predicted intervals that match an annotated one, in [0, 1].
        recall (float): Share of the annotated intervals that are found, in [0, 1].
        f1 (float): Harmonic mean of both.
        id_switches (int): How often the track of a person or object changes.
        predicted (int): Number of predicted intervals.
        annotated (int): Number of annotated intervals.
    """

    precision: float
    recall: float
    f1: float
    id_switches: int
    predicted: int
    annotated: int


def evaluate_timelines(
    predicted: Sequence[Timeline], annotated: Sequence[Timeline], min_time: float = 0.5
) -> TimelineScores:
    """Evaluates the timelines of several videos together.

    A predicted interval is correct if it has the verb and object class of an annotated one, their IoU in time is at least
    ``min_time``, and their boxes overlap by 0.5: mean over the common frames of the smaller IoU, of person and object.

    Args:
        predicted (Sequence[Timeline]): A timeline for each video.
        annotated (Sequence[Timeline]): The true ones, in the same order.
        min_time (float): Minimum IoU in time. Default: 0.5.

    Returns:
        TimelineScores: The scores.

    Raises:
        ModuleNotFoundError: If the extra ``video`` is not installed.
    """
    correct = total = wanted = switches = 0
    for found, truth in zip(predicted, annotated, strict=True):
        matches = match_intervals(_intervals(found), _intervals(truth), min_time)
        correct += sum(match is not None for match in matches)
        total, wanted = total + len(found.intervals), wanted + len(truth.intervals)
        classes: dict[str, int] = {}
        steps = range(0, found.frames * found.stride, found.stride)
        switches += count_id_switches(_tracks(truth, steps, classes), _tracks(found, steps, classes))
    return TimelineScores(*f1_score(correct, total, wanted), switches, total, wanted)


def _intervals(timeline: Timeline) -> list[BoxedInterval]:
    tracks = {track.id: track for track in timeline.tracks}
    intervals = []
    for each in timeline.intervals:
        steps = np.arange(each.from_frame, each.to_frame + 1)
        objects = None if each.object is None else tracks[each.object].boxes_at(steps)
        intervals.append(
            BoxedInterval(
                (each.verb, each.object_name),
                each.from_frame,
                each.to_frame,
                tracks[each.human].boxes_at(steps),
                objects,
                each.confidence,
            )
        )
    return intervals


def _tracks(
    timeline: Timeline, steps: range, classes: dict[str, int]
) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Ids, classes and boxes of the tracks that were detected in each frame."""
    there: dict[int, list[tuple[int, int, np.ndarray]]] = {}
    for track in timeline.tracks:
        number = classes.setdefault(track.name, len(classes))
        for frame, box in zip(track.frames.tolist(), track.boxes, strict=True):
            there.setdefault(frame, []).append((track.id, number, box))
    frames = []
    for step in steps:
        ids, numbers, boxes = zip(*there[step], strict=True) if step in there else ((), (), ())
        frames.append((np.array(ids, int), np.array(numbers, int), np.array(boxes, float).reshape(-1, 4)))
    return frames
