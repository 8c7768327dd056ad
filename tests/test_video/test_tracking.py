"""Tracks of persons and objects: stable ids, one per thing, and triplets with the tracks of their pair."""

import numpy as np
import pytest

from genvlkt_mmdet.video import PairTracker

pytest.importorskip('trackers')


def hoi(human: float, obj: float | None, name: str = 'horse', score: float = 1.8, shift: float = 0.0) -> dict:
    return dict(
        human_box=[human + shift, 10.0, human + shift + 20, 60.0],
        object_box=None if obj is None else [obj, 30.0, obj + 40, 60.0],
        object=name if obj is not None else None,
        verb='ride',
        phrase='person riding a horse',
        score=score,
    )


def pairs_of(tracker: PairTracker, *frames: list[dict]) -> list[list[tuple]]:
    return [[pair for pair, _ in tracker.update(frame)[1]] for frame in frames]


def test_tracks_follow_what_moves():
    tracker = PairTracker(10.0)
    frames = [[hoi(10 + 3 * i, 100 - 3 * i), hoi(300, 200, 'dog')] for i in range(12)]
    found = pairs_of(tracker, *frames)
    assert found[-1] == found[4] and len(set(found[-1][0] + found[-1][1])) == 4
    names = {tracker.names[track] for pair in found[-1] for track in pair}
    assert names == {'person', 'horse', 'dog'}
    boxes, _ = tracker.update(frames[-1])
    assert boxes[found[-1][0][0]].tolist() == frames[-1][0]['human_box']


def test_one_person_with_two_objects_has_one_track():
    tracker = PairTracker(10.0)
    frame = [hoi(10, 50), hoi(10, 100, 'umbrella', score=1.6, shift=2.0)]
    ((first, ride), (second, hold)) = (tracker.update(frame), tracker.update(frame))[1][1]
    assert first[0] == second[0] and first[1] != second[1]
    assert ride['object'] == 'horse' and hold['object'] == 'umbrella'


def test_a_person_as_object_shares_the_tracks_of_persons():
    tracker = PairTracker(10.0)
    frame = [hoi(10, 100, 'person'), hoi(105, None)]
    frame[0]['object_box'] = frame[1]['human_box']
    found = pairs_of(tracker, frame, frame, frame)[-1]
    assert found[0][1] == found[1][0] and found[1][1] is None
    assert set(tracker.names.values()) == {'person'}


def test_a_track_survives_a_pause_that_is_short():
    tracker = PairTracker(10.0, memory=1.0)
    there = [hoi(10, 100)]
    before = pairs_of(tracker, there, there)[-1]
    assert pairs_of(tracker, *[[]] * 8, there, there)[-1] == before
    assert pairs_of(tracker, *[[]] * 15, there, there)[-1] != before


def test_frames_without_anything():
    tracker = PairTracker(10.0)
    assert tracker.update([]) == ({}, [])
    tracker.update([hoi(10, 100)])
    assert tracker.update([]) == ({}, [])


def test_weak_detections_keep_a_track_but_do_not_start_one():
    tracker = PairTracker(10.0)
    weak, strong = [hoi(10, 100, score=0.6)], [hoi(10, 100)]
    assert pairs_of(tracker, weak, weak, weak) == [[], [], []]
    first = pairs_of(tracker, strong, strong)[-1]
    assert pairs_of(tracker, weak, weak) == [first, first]


def test_boxes_stay_as_they_are_detected():
    tracker = PairTracker(10.0)
    for i in range(5):
        boxes, _ = tracker.update([hoi(10 + i, 100)])
    assert {tuple(box) for box in boxes.values()} == {(14.0, 10.0, 34.0, 60.0), (100.0, 30.0, 140.0, 60.0)}
    assert all(isinstance(box, np.ndarray) for box in boxes.values())
