"""Follows persons and objects through a video with ByteTrack of the library `trackers` (the extra ``video``)."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..structures import box_iou

PERSON = 'person'
"""Name of the tracks of humans. Objects of this class share their tracks."""

Pair = tuple[int, int | None]
"""Track of the human and of the object. None: an interaction without object."""

_SAME_BOX_IOU = 0.5  # boxes of one class in a frame with at least this overlap are one person or object
# Scores of triplets are in [0, 2], and one of about 1 says that the object is certain. ByteTrack's thresholds are in [0, 1].
_CERTAIN_SCORE = 1.0
_THRESHOLDS = dict(high_conf_det_threshold=0.5, track_activation_threshold=0.7)


class PairTracker:
    """Gives the persons and objects of each frame their tracks: one ByteTrack for each class.

    Args:
        frame_rate (float): Frames per second that the tracker sees.
        memory (float): Seconds for which a track that is not detected is kept. Default: 3.

    Raises:
        ModuleNotFoundError: If the extra ``video`` is not installed.
    """

    def __init__(self, frame_rate: float, memory: float = 3.0) -> None:
        _import_trackers()
        self._frame_rate, self._memory = frame_rate, memory
        self._trackers: dict[str, Any] = {}
        self._ids: dict[tuple[str, int], int] = {}
        self.names: dict[int, str] = {}

    def update(
        self, triplets: Sequence[Mapping[str, Any]]
    ) -> tuple[dict[int, np.ndarray], list[tuple[Pair, Mapping[str, Any]]]]:
        """Takes the triplets of the next frame.

        Args:
            triplets (Sequence[Mapping]): As in :class:`HOIResult`, best first.

        Returns:
            tuple[dict, list]: Box (4,) of each track in this frame, by id. Each triplet whose human and object have tracks, with
            these tracks.
        """
        boxes: dict[str, list[Any]] = {}
        scores: dict[str, list[float]] = {}
        places: list[list[tuple[str, int] | None]] = []
        for triplet in triplets:
            ends: list[tuple[str, int] | None] = []
            for name, box in ((PERSON, triplet['human_box']), (triplet['object'], triplet['object_box'])):
                if box is None:
                    ends.append(None)
                    continue
                known = boxes.setdefault(name, [])
                same = np.flatnonzero(box_iou(np.array(known).reshape(-1, 4), np.array(box), False) >= _SAME_BOX_IOU)
                if not len(same):  # triplets are sorted, so the box with the best score stands for all
                    known.append(box)
                    scores.setdefault(name, []).append(min(1.0, triplet['score'] / _CERTAIN_SCORE))
                ends.append((name, int(same[0]) if len(same) else len(known) - 1))
            places.append(ends)
        # Also the classes that are not there now, whose tracks get older. In a fixed order: ids are the same in every run.
        names = dict.fromkeys([*boxes, *self._trackers])
        ids = {name: self._track(name, boxes.get(name, []), scores.get(name, [])) for name in names}
        found = {
            track: np.array(box)
            for name, known in boxes.items()
            for track, box in zip(ids[name], known, strict=True)
            if track is not None
        }
        pairs: list[tuple[Pair, Mapping[str, Any]]] = []
        for ends, triplet in zip(places, triplets, strict=True):
            human, obj = (None if end is None else ids[end[0]][end[1]] for end in ends)
            if human is not None and (obj is not None or ends[1] is None):
                pairs.append(((human, obj), triplet))
        return found, pairs

    def _track(self, name: str, boxes: list[Any], scores: list[float]) -> list[int | None]:
        """Track of each box of a class. None: it has none yet."""
        sv, tracker_class = _import_trackers()
        if name not in self._trackers:
            self._trackers[name] = tracker_class(
                lost_track_buffer=round(
                    self._memory * 30
                ),  # at 30 frames a second; the class converts it to the frame rate
                frame_rate=self._frame_rate,
                minimum_consecutive_frames=1,
                **_THRESHOLDS,
            )
        detections = sv.Detections(
            xyxy=np.array(boxes, dtype=float).reshape(-1, 4),
            confidence=np.array(scores, dtype=float),
            data=dict(place=np.arange(len(boxes))),
        )
        tracked = self._trackers[name].update(detections)
        ids: list[int | None] = [None] * len(boxes)
        for place, number in zip(tracked.data.get('place', ()), tracked.tracker_id, strict=True):
            if number >= 0:
                ids[int(place)] = self._ids.setdefault((name, int(number)), len(self._ids) + 1)
                self.names[ids[int(place)]] = name
        return ids


def _import_trackers() -> tuple[Any, Any]:
    try:
        import supervision
        from trackers import ByteTrackTracker
    except ImportError as error:
        raise ModuleNotFoundError(f'Tracking needs another library ({error}): pip install "genvlkt[video]".') from error
    return supervision, ByteTrackTracker
