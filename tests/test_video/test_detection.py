"""From a video file to its timeline, tables and annotated video.

The model is replaced by one that knows the truth, so that the right answer is known too; the last test takes the true model.
"""

import json
import tracemalloc
import weakref
from collections.abc import Iterator

import jsonschema
import numpy as np
import pytest

from genvlkt_mmdet.apis import HOIResult
from genvlkt_mmdet.datasets.video_file import new_video, read_video
from genvlkt_mmdet.minihoi import evaluate_on_videos, render_minihoi_video
from genvlkt_mmdet.video import NO_SMOOTHING, Smoothing, Timeline, detect_video, read_timeline, timeline_schema
from genvlkt_mmdet.video.evaluation import evaluate_timelines
from tests.test_apis.conftest import inferencer, weights  # noqa: F401  (fixtures)

pytest.importorskip('av')
pytest.importorskip('trackers')


class KnowsTheTruth:
    """A model that finds the interactions of a true timeline, but not in some frames, and a wrong one in some others."""

    show_progress = False

    def __init__(
        self, truth: Timeline, missing: tuple[int, ...] = (), wrong: tuple[int, ...] = (), stride: int = 1
    ) -> None:
        self.truth, self.missing, self.wrong, self.stride = truth, missing, wrong, stride
        self.tracks = {track.id: track for track in truth.tracks}

    def stream(self, source: Iterator[np.ndarray], batch_size: int, pred_score_thr: float) -> Iterator[HOIResult]:
        assert batch_size >= 1 and 0 <= pred_score_thr <= 2
        for number, pixels in enumerate(source):
            height, width = pixels.shape[:2]
            yield HOIResult(self.triplets(number * self.stride), width=width, height=height, pixels=pixels)

    def triplets(self, frame: int) -> list[dict]:
        found = []
        for each in self.truth.intervals:
            boxes = [self.tracks[track].boxes_at(np.array([frame]))[0].tolist() for track in (each.human, each.object)]
            there = each.from_frame <= frame <= each.to_frame and frame not in self.missing
            score = 1.9 if there else 1.05
            verb = 'eat' if frame in self.wrong else each.verb
            found.append(
                dict(
                    human_box=boxes[0], object_box=boxes[1], object=each.object_name, verb=verb, score=score, query=len(found),
                    phrase=f'person {verb} {each.object_name}', confidence=score - 1,
                )
            )  # fmt: skip
        return sorted(found, key=lambda hoi: -hoi['score'])


@pytest.fixture(scope='module')
def clip(tmp_path_factory):
    """A rendered video of eight seconds and its true timeline."""
    path = tmp_path_factory.mktemp('videos') / 'clip.mp4'
    return path, render_minihoi_video(path, index=2, num_frames=80)


def spans(timeline: Timeline) -> list[tuple]:
    return [(each.verb, each.object_name, each.from_frame, each.to_frame) for each in timeline.intervals]


def test_a_perfect_model_gives_the_true_timeline(clip, tmp_path):
    path, truth = clip
    assert len(truth.intervals) >= 2
    result = detect_video(KnowsTheTruth(truth), path, tmp_path)
    assert spans(result.timeline) == spans(truth)
    assert (result.timeline.frames, result.timeline.width, result.timeline.frame_rate, result.error) == (
        80,
        128,
        10.0,
        None,
    )
    scores = evaluate_timelines([result.timeline], [truth])
    assert (scores.f1, scores.id_switches) == (1.0, 0)
    # The files are those of the result.
    assert [file.name for file in result.files] == ['clip.mp4', 'clip.json', 'clip.csv']
    content = json.loads(result.files[1].read_text())
    jsonschema.validate(content, timeline_schema())
    assert content == result.timeline.to_dict() == read_timeline(result.files[1]).to_dict()
    assert len(result.files[2].read_text().splitlines()) == 1 + len(truth.intervals)
    annotated = list(read_video(result.files[0]))
    assert len(annotated) == 80 and annotated[0][2].shape == (480, 480, 3)
    plain = list(read_video(path))
    assert [round(a[1], 3) for a in annotated] == [round(b[1], 3) for b in plain]
    # The label is drawn while the interaction goes on, and not before.
    first = truth.intervals[0].from_frame
    changes = [
        np.abs(a[2][::4, ::4][:120, :120].astype(int).mean() - b[2].astype(int).mean())
        for a, b in zip(annotated, plain)
    ]
    assert max(changes[: first - 1]) < 1.5 < changes[first + 8]


def test_smoothing_bridges_what_single_frames_miss(clip):
    path, truth = clip
    first = truth.intervals[0]
    model = KnowsTheTruth(truth, missing=(first.from_frame + 5, first.from_frame + 9), wrong=(first.from_frame + 7,))
    smoothed = detect_video(model, path).timeline
    raw = detect_video(model, path, smoothing=NO_SMOOTHING).timeline
    assert spans(smoothed) == spans(truth)
    # All of them go on then. Each is in four parts, and one frame has a wrong verb.
    assert all(
        each.from_frame <= first.from_frame + 5 and first.from_frame + 9 < each.to_frame for each in truth.intervals
    )
    assert len(raw.intervals) == 5 * len(truth.intervals)
    assert evaluate_timelines([smoothed], [truth]).f1 == 1.0 > evaluate_timelines([raw], [truth]).f1 > 0


def test_stride(clip, tmp_path):
    path, truth = clip
    result = detect_video(KnowsTheTruth(truth, stride=4), path, tmp_path, stride=4, smoothing=Smoothing(shortest=0))
    assert (result.timeline.frames, result.timeline.stride) == (20, 4)
    assert [s[:2] for s in spans(result.timeline)] == [s[:2] for s in spans(truth)]
    for found, true in zip(result.timeline.intervals, truth.intervals):
        assert abs(found.from_frame - true.from_frame) < 4 and abs(found.to_frame - true.to_frame) < 4
        assert found.from_frame % 4 == 0 and found.to_seconds == pytest.approx(found.to_frame / 10 + 0.4)
    assert len(list(read_video(result.files[0]))) == 20


def test_memory_does_not_grow_with_the_length_of_a_video(tmp_path):
    with new_video(tmp_path / 'long.mp4', 30.0) as writer:
        for i in range(300):
            writer.write(np.full((72, 96, 3), i % 200, np.uint8))
    seen: list[weakref.ref] = []
    alive: list[int] = []
    memory: list[int] = []

    class Model(KnowsTheTruth):
        def __init__(self) -> None:
            pass

        def triplets(self, frame: int) -> list[dict]:
            box = [frame / 10, 10.0, frame / 10 + 20, 60.0]
            return [
                dict(
                    human_box=box, object_box=[0.0, 40.0, 60.0, 70.0], object='horse', verb='ride', score=1.8, confidence=0.8,
                    phrase='person riding a horse', query=0,
                )
            ]  # fmt: skip

        stride = 1

        def stream(self, source, **options):
            def watched():
                for pixels in source:
                    seen.append(weakref.ref(pixels))
                    yield pixels

            for result in super().stream(watched(), **options):
                yield result
                alive.append(sum(each() is not None for each in seen))
                memory.append(tracemalloc.get_traced_memory()[0])

    tracemalloc.start()
    try:
        result = detect_video(Model(), tmp_path / 'long.mp4', tmp_path / 'out')
    finally:
        tracemalloc.stop()
    assert result.timeline.frames == len(seen) == 300
    assert max(alive) <= 2
    # A drawn frame has 921,600 bytes. Boxes are what remains of a frame: two of 24 bytes, and the references of this test.
    assert memory[299] - memory[99] < 300_000
    assert len(list(read_video(result.files[0]))) == 300
    (interval,) = result.timeline.intervals
    assert interval.from_frame <= 1 and interval.to_frame == 299  # a track begins with its second frame
    jsonschema.validate(json.loads(result.files[1].read_text()), timeline_schema())


def test_what_a_broken_video_has_is_kept(clip, tmp_path):
    path, truth = clip
    av = pytest.importorskip('av')
    with av.open(str(tmp_path / 'whole.mkv'), 'w') as output:
        stream = output.add_stream('mpeg4', rate=10)
        stream.width = stream.height = 128
        for _, _, pixels in read_video(path):
            output.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format='bgr24')))
        output.mux(stream.encode())
    content = (tmp_path / 'whole.mkv').read_bytes()
    (tmp_path / 'cut.mkv').write_bytes(content[: len(content) // 2])
    result = detect_video(KnowsTheTruth(truth), tmp_path / 'cut.mkv', tmp_path / 'out')
    assert 'breaks off' in result.error
    assert 5 < result.timeline.frames < 60
    assert len(list(read_video(result.files[0]))) == result.timeline.frames
    assert read_timeline(result.files[1]).to_dict() == result.timeline.to_dict()


def test_ctrl_c_ends_a_camera_and_keeps_what_was_seen(clip, tmp_path):
    path, truth = clip

    class Interrupted(KnowsTheTruth):
        def triplets(self, frame: int) -> list[dict]:
            if frame == 30:
                raise KeyboardInterrupt
            return super().triplets(frame)

    result = detect_video(Interrupted(truth), path, tmp_path)
    assert result.timeline.frames == len(list(read_video(result.files[0]))) == 30


def test_mistakes_end_in_one_sentence(clip, tmp_path):
    path, truth = clip
    model = KnowsTheTruth(truth)
    with pytest.raises(ValueError, match='would replace'):
        detect_video(model, path, path.parent)
    with pytest.raises(ValueError, match='max_frames'):
        detect_video(model, path, max_frames=0)
    with pytest.raises(FileNotFoundError, match='does not exist'):
        detect_video(model, tmp_path / 'no.mp4', tmp_path / 'out')
    assert detect_video(model, path, max_frames=3).timeline.frames == 3
    assert not (tmp_path / 'out').exists()


def test_the_true_model_and_the_evaluation(inferencer, tmp_path):  # noqa: F811
    scores = evaluate_on_videos(inferencer, tmp_path, num_videos=1, stride=20)
    assert set(scores) == {'raw', 'smoothed'}
    truth = read_timeline(tmp_path / 'seed0_0000.json')
    for each in scores.values():
        assert each.annotated == len(truth.intervals) and 0 <= each.f1 <= 1
