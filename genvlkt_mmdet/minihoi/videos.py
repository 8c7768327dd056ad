"""Renders MiniHOI videos with the timeline that is true for them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..datasets.video_file import new_video
from ..video import NO_SMOOTHING, Timeline, TimelineBuilder
from .catalog import vocabulary
from .moving_scenes import sample_moving_scene
from .scenes import IMAGE_SIZE, Difficulty, render_scene

_STREAM = 10  # of random numbers; the splits of images have the first ones


def render_minihoi_video(
    path: str | Path,
    seed: int = 0,
    index: int = 0,
    num_frames: int = 120,
    frame_rate: float = 10.0,
    difficulty: str | Mapping[str, Any] | Difficulty = 'default',
) -> Timeline:
    """Renders a video in which one or two persons take up things, do something with them and leave them again.

    Writes the video, 128 x 128 pixels, and beside it the true timeline, ``<name>.json``. Both depend only on the arguments.

    Args:
        path (str | Path): The MP4 file.
        seed (int): Seed of the videos.
        index (int): Number of the video.
        num_frames (int): Number of frames. Default: 120.
        frame_rate (float): Frames per second. Default: 10.
        difficulty (str | Mapping | Difficulty): See :class:`Difficulty`.

    Returns:
        Timeline: The true timeline: all persons and objects with their boxes in all frames, and the interactions. An interaction
        lasts from the moment at which it is fully there to the moment at which it starts to end.

    Raises:
        ValueError: If the number of frames is not positive, or ``frame_rate`` is out of range.
        OSError: If a file cannot be written.
    """
    path = Path(path)
    if num_frames < 1:
        raise ValueError(f'num_frames must be at least 1, not {num_frames}.')
    vocab = vocabulary()
    scene = sample_moving_scene(np.random.default_rng([seed, _STREAM, index]), num_frames / frame_rate, difficulty)
    names: dict[int, str] = {}
    builder = TimelineBuilder(Timeline(path.name, IMAGE_SIZE, IMAGE_SIZE, frame_rate), names, NO_SMOOTHING)
    with new_video(path, frame_rate) as video:
        for frame in range(num_frames):
            image, annotation = render_scene(scene.at(frame / frame_rate), frame + 1)
            video.write(image[..., ::-1])
            things = annotation['annotations']
            # Members of a scene keep their order, so that the position is the track.
            names.update(
                {i: vocab.object_names[vocab.object_ids.index(t['category_id'])] for i, t in enumerate(things, 1)}
            )
            boxes = {i: np.array(thing['bbox']) for i, thing in enumerate(things, 1)}
            pairs = []
            for hoi in annotation['hoi_annotation']:
                human, obj, index = (
                    hoi['subject_id'] + 1,
                    hoi['object_id'] + 1,
                    vocab.hoi_ids.index(hoi['hoi_category_id']),
                )
                triplet = dict(
                    object=names[obj],
                    verb=vocab.verb_names[vocab.hoi_verbs[index]],
                    phrase=vocab.phrase(index),
                    confidence=1.0,
                )
                pairs.append(((human, obj), triplet))
            builder.update(frame, frame / frame_rate, boxes, pairs)
    timeline = builder.finish(all_tracks=True)
    timeline.write(path.with_suffix('.json'))
    return timeline
