"""Moving scenes: deterministic, smooth, inside the image, and with a true timeline that fits what is drawn."""

import hashlib

import numpy as np
import pytest

from genvlkt_mmdet.datasets.video_file import read_video
from genvlkt_mmdet.minihoi import annotate, render_minihoi_video, render_scene
from genvlkt_mmdet.minihoi.catalog import vocabulary
from genvlkt_mmdet.minihoi.moving_scenes import TRANSITION, sample_moving_scene
from genvlkt_mmdet.video import read_timeline

pytest.importorskip('av')
SECONDS = 8.0


def scene_of(seed: int):
    return sample_moving_scene(np.random.default_rng(seed), SECONDS)


@pytest.mark.parametrize('seed', range(4))
def test_things_stay_in_the_image_and_move_smoothly(seed):
    scene = scene_of(seed)
    frames = [annotate(scene.at(t)) for t in np.arange(0, SECONDS, 0.1)]
    boxes = np.array([[thing['bbox'] for thing in frame['annotations']] for frame in frames])  # (T, n, 4)
    assert boxes.min() >= 0 and boxes.max() <= 128
    assert (boxes[..., 2:] - boxes[..., :2]).min() > 2
    labels = {tuple(thing['category_id'] for thing in frame['annotations']) for frame in frames}
    assert len(labels) == 1  # a position is the same thing in all frames
    centres = (boxes[..., :2] + boxes[..., 2:]) / 2
    assert 2 < np.abs(np.diff(centres, axis=0)).max() < 30
    assert np.ptp(centres, axis=0).max() > 4


@pytest.mark.parametrize('seed', range(4))
def test_interactions_begin_and_end_as_the_acts_say(seed):
    scene, vocab = scene_of(seed), vocabulary()
    for number, actor in enumerate(scene.actors):
        assert actor.acts and all(a.end + 2 * TRANSITION < b.begin for a, b in zip(actor.acts, actor.acts[1:]))
        for act in actor.acts:
            assert all(vocab.hoi_objects[hoi] == actor.label for hoi in act.hois)
            group = len(scene.extras) + number
            for seconds, expected in (
                (act.begin - 0.01, []),
                ((act.begin + act.end) / 2, [(1, act.hois)]),
                (act.end + 0.01, []),
            ):
                assert scene.at(seconds).groups[group].pairs == expected


def test_noise_changes_and_the_background_stays():
    scene = scene_of(0).at(0.0)
    first, second = (render_scene(scene, frame)[0].astype(int) for frame in (1, 2))
    difference = np.abs(first - second)
    assert 0 < difference.mean() < 8
    np.testing.assert_array_equal(render_scene(scene, 1)[0], render_scene(scene, 1)[0])


def test_the_video_has_the_frames_of_its_timeline(tmp_path):
    timeline = render_minihoi_video(tmp_path / 'a.mp4', seed=3, index=1, num_frames=60)
    frames = list(read_video(tmp_path / 'a.mp4'))
    assert len(frames) == timeline.frames == 60 and frames[0][2].shape == (128, 128, 3)
    assert timeline.seconds == 6.0 and timeline.frame_rate == 10.0
    assert read_timeline(tmp_path / 'a.json').to_dict() == timeline.to_dict()
    scene = sample_moving_scene(np.random.default_rng([3, 10, 1]), 6.0)
    for index in (0, 30, 59):
        image, annotation = render_scene(scene.at(index / 10), index + 1)
        assert np.abs(frames[index][2][..., ::-1].astype(int) - image).mean() < 6  # what coding loses
        things = annotation['annotations']
        assert [track.name for track in timeline.tracks] == [
            vocabulary().object_names[t['category_id'] - 1] for t in things
        ]
        boxes = [track.boxes_at(np.array([index]))[0] for track in timeline.tracks]
        np.testing.assert_allclose(boxes, [thing['bbox'] for thing in things], atol=0.01)
    assert len(timeline.intervals) == sum(
        len(act.hois) for actor in scene.actors for act in actor.acts if act.begin < 5.9
    )
    for each in timeline.intervals:
        assert 0.1 <= each.to_seconds - each.from_seconds <= 4.2 and each.confidence == 1.0


def test_the_same_arguments_give_the_same_video(tmp_path):
    def digest(**arguments) -> str:
        render_minihoi_video(tmp_path / 'v.mp4', num_frames=6, **arguments)
        pixels = b''.join(frame.tobytes() for _, _, frame in read_video(tmp_path / 'v.mp4'))
        return hashlib.sha256(pixels + (tmp_path / 'v.json').read_bytes()).hexdigest()

    assert digest(seed=5) == digest(seed=5)
    assert len({digest(seed=5), digest(seed=6), digest(seed=5, index=1), digest(seed=5, difficulty='hard')}) == 4


def test_a_video_without_frames_is_refused(tmp_path):
    with pytest.raises(ValueError, match='num_frames must be at least 1'):
        render_minihoi_video(tmp_path / 'v.mp4', num_frames=0)
    assert not list(tmp_path.iterdir())
