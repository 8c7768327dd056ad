"""When interactions begin and end: worked by hand, and against the raw frames."""

import math

import numpy as np
import pytest

from genvlkt_mmdet.video import NO_SMOOTHING, Smoothing, Timeline, TimelineBuilder

RATE = 10.0
PAIR = (1, 2)
RIDE = dict(object='horse', verb='ride', phrase='person riding a horse')


def run(confidences: list[float], smoothing: Smoothing) -> tuple[Timeline, list[bool]]:
    """The timeline of one pair with a confidence for each frame, and in which frames the interaction goes on."""
    builder = TimelineBuilder(Timeline(None, 8, 8, RATE), {1: 'person', 2: 'horse'}, smoothing)
    boxes = {1: np.array([0, 0, 4, 4]), 2: np.array([2, 2, 6, 6])}
    shown = []
    for frame, confidence in enumerate(confidences):
        pairs = [(PAIR, dict(RIDE, confidence=confidence))] if confidence else []
        shown.append(builder.update(frame, frame / RATE, boxes, pairs) == {PAIR: [RIDE['phrase']]})
    return builder.finish(), shown


def spans(timeline: Timeline) -> list[tuple[int, int]]:
    return [(each.from_frame, each.to_frame) for each in timeline.intervals]


def test_without_smoothing_an_interval_is_a_run_of_frames_above_the_threshold():
    timeline, shown = run([0, 0.6, 0.5, 0.49, 0.9, 0, 0, 0.8], NO_SMOOTHING)
    assert spans(timeline) == [(1, 2), (4, 4), (7, 7)]
    assert shown == [False, True, True, False, True, False, False, True]
    first = timeline.intervals[0]
    assert (first.from_seconds, first.to_seconds, first.confidence) == (0.1, 0.3, 0.55)
    assert (first.human, first.object, first.object_name, first.verb) == (1, 2, 'horse', 'ride')
    assert timeline.frames == 8 and timeline.seconds == 0.8
    assert [(track.id, track.name, track.frames.tolist()) for track in timeline.tracks] == [
        (1, 'person', list(range(8))),
        (2, 'horse', list(range(8))),
    ]


def test_gaps_are_bridged_and_peaks_dropped():
    # 0.5 seconds at full confidence, two frames missing, again 0.5 seconds; much later a peak of one frame.
    confidences = [0] * 3 + [1] * 5 + [0] * 2 + [1] * 5 + [0] * 12 + [0.9] + [0] * 12
    timeline, _ = run(confidences, Smoothing())
    assert spans(timeline) == [(3, 14)]
    assert timeline.intervals[0].confidence == pytest.approx(10 / 12, abs=1e-4)  # the gap counts as 0
    assert spans(run(confidences, NO_SMOOTHING)[0]) == [(3, 7), (10, 14), (27, 27)]


def test_the_mean_is_exponential():
    # keep = exp(-0.1 / 0.2) for a frame of 0.1 seconds: the mean after n frames of confidence c is c (1 - keep^n).
    smoothing = Smoothing(seconds=0.2, begin=0.5, end=0.25, shortest=0)
    keep = math.exp(-0.5)
    frames_to_begin = next(n for n in range(1, 20) if 0.8 * (1 - keep**n) >= 0.5)
    _, shown = run([0.8] * 10 + [0] * 10, smoothing)
    assert shown.index(True) == frames_to_begin - 1
    peak = 0.8 * (1 - keep**10)
    frames_to_end = next(n for n in range(1, 20) if peak * keep**n < 0.25)
    assert shown[10:].index(False) == frames_to_end - 1
    # The interval is from the first frame to the last one that speak for it, not from where the mean passes the thresholds.
    assert spans(run([0.8] * 10 + [0] * 10, smoothing)[0]) == [(0, 9)]


def test_between_the_thresholds_an_interaction_goes_on_but_does_not_begin():
    smoothing = Smoothing(seconds=0.2, begin=0.5, end=0.25)
    assert spans(run([0.3] * 30, smoothing)[0]) == []
    assert spans(run([0.8] * 10 + [0.3] * 20, smoothing)[0]) == [(0, 29)]


def test_what_is_shorter_than_the_shortest_is_dropped():
    assert spans(run([1] * 4 + [0] * 20, Smoothing(seconds=0.1, shortest=0.5))[0]) == []
    assert spans(run([1] * 5 + [0] * 20, Smoothing(seconds=0.1, shortest=0.5))[0]) == [(0, 4)]


def test_two_interactions_of_a_pair_and_pairs_without_object():
    builder = TimelineBuilder(Timeline(None, 8, 8, RATE), {1: 'person', 2: 'horse'}, NO_SMOOTHING)
    boxes = {1: np.zeros(4), 2: np.zeros(4)}
    feed = dict(object='horse', verb='feed', phrase='person feeding a horse', confidence=0.6)
    stand = dict(object=None, verb='stand', phrase='person standing', confidence=0.7)
    for frame in range(3):
        pairs = [
            (PAIR, dict(RIDE, confidence=0.9)),
            (PAIR, dict(RIDE, confidence=0.1)),
            (PAIR, feed),
            ((1, None), stand),
        ]
        shown = builder.update(frame, frame / RATE, boxes, pairs)
        assert shown == {PAIR: ['person riding a horse', 'person feeding a horse'], (1, None): ['person standing']}
    found = {each.phrase: (each.object, each.object_name, each.confidence) for each in builder.finish().intervals}
    assert found == {
        'person riding a horse': (2, 'horse', 0.9),
        'person feeding a horse': (2, 'horse', 0.6),
        'person standing': (None, None, 0.7),
    }


def test_uneven_times_count_as_they_are():
    # One frame after a long pause moves the mean as much as many frames do.
    builder = TimelineBuilder(Timeline(None, 8, 8, RATE), {1: 'person', 2: 'horse'}, Smoothing())
    triplet = [(PAIR, dict(RIDE, confidence=0.9))]
    assert builder.update(0, 0.0, {}, triplet) == {}
    assert builder.update(1, 2.0, {}, triplet) == {PAIR: [RIDE['phrase']]}


@pytest.mark.parametrize(
    ('settings', 'message'),
    [
        (dict(seconds=-1), 'seconds'),
        (dict(begin=1.2), 'begin'),
        (dict(begin=0.3, end=0.4), 'end of Smoothing must be a number from 0.05 to 0.3'),
        (dict(shortest=math.nan), 'shortest'),
        (dict(end='low'), 'end'),
    ],
)
def test_impossible_settings_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        Smoothing(**settings)


def test_a_high_frame_rate_does_not_hinder_a_rise():
    builder = TimelineBuilder(Timeline(None, 8, 8, 120.0), {1: 'person', 2: 'horse'}, Smoothing())
    for frame in range(240):
        builder.update(frame, frame / 120, {}, [(PAIR, dict(RIDE, confidence=0.7))] if frame % 2 else [])
    assert builder.finish().intervals == []  # the mean is 0.35
    builder = TimelineBuilder(Timeline(None, 8, 8, 120.0), {1: 'person', 2: 'horse'}, Smoothing())
    for frame in range(240):
        builder.update(frame, frame / 120, {1: np.zeros(4), 2: np.zeros(4)}, [(PAIR, dict(RIDE, confidence=0.7))])
    assert spans(builder.finish()) == [(0, 239)]
