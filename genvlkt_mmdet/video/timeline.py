"""The timeline of a video: who does what, with which object, from when to when."""

import csv
import io
import json
import math
from dataclasses import asdict, dataclass, field, fields
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from ..files import names_file, write_file

VERSION = 1
"""Version of the file format, the value of ``version`` in the JSON."""
_MAX_BYTES = 1 << 30


@dataclass(eq=False)
class Track:
    """A person or object that is followed through a video.

    Attributes:
        id (int): Its number, from 1, unique in the timeline.
        name (str): Class, such as 'person' or 'horse'.
        frames (np.ndarray): (n) frames in which it was detected, ascending.
        boxes (np.ndarray): (n, 4) its box in each of these frames, xyxy in pixels.
    """

    id: int
    name: str
    frames: np.ndarray
    boxes: np.ndarray

    def boxes_at(self, frames: np.ndarray) -> np.ndarray:
        """Boxes in (m) frames, (m, 4): interpolated between detections, NaN before the first and after the last one."""
        if not len(self.frames):
            return np.full((len(frames), 4), np.nan)
        columns = [np.interp(frames, self.frames, column, left=np.nan, right=np.nan) for column in self.boxes.T]
        return np.stack(columns, axis=1)


@dataclass
class Interval:
    """An interaction that lasts from one frame to another.

    Attributes:
        human (int): Track of the person.
        object (int | None): Track of the object. None for an interaction without object.
        object_name (str | None): Class of the object.
        verb (str): The verb.
        phrase (str): A description, such as 'person riding a horse'.
        from_frame (int): First frame.
        to_frame (int): Last frame.
        from_seconds (float): Time of the first frame.
        to_seconds (float): Time at which the last frame ends.
        confidence (float): Mean confidence of its frames, in [0, 1].
    """

    human: int
    object: int | None
    object_name: str | None
    verb: str
    phrase: str
    from_frame: int
    to_frame: int
    from_seconds: float
    to_seconds: float
    confidence: float


@dataclass
class Timeline:
    """Interactions in a video, with the tracks of their persons and objects.

    Attributes:
        video (str | None): File, camera or address of the video.
        width (int): Width of the frames in pixels.
        height (int): Height of the frames in pixels.
        frame_rate (float): Frames per second of the video.
        stride (int): Every how many frames the model looked.
        frames (int): Number of frames that the model looked at.
        seconds (float): Time at which the last of them ends.
        tracks (list[Track]): Persons and objects of the intervals, by id.
        intervals (list[Interval]): The interactions, by first frame.
    """

    video: str | None
    width: int
    height: int
    frame_rate: float
    stride: int = 1
    frames: int = 0
    seconds: float = 0.0
    tracks: list[Track] = field(default_factory=list)
    intervals: list[Interval] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Plain containers in the layout of :func:`timeline_schema`. Boxes have one decimal."""
        head = {
            each.name: getattr(self, each.name) for each in fields(self) if each.name not in ('tracks', 'intervals')
        }
        tracks = [
            dict(
                id=track.id,
                name=track.name,
                frames=track.frames.tolist(),
                boxes=[[round(value, 1) for value in box] for box in track.boxes.tolist()],
            )
            for track in self.tracks
        ]
        return dict(version=VERSION, **head, intervals=[asdict(each) for each in self.intervals], tracks=tracks)

    def to_json(self) -> str:
        """The timeline as JSON, one line for each interval and track. :func:`read_timeline` reads it."""
        lines = []
        for key, value in self.to_dict().items():
            text = json.dumps(value, allow_nan=False)
            if isinstance(value, list) and value:
                text = '[\n  ' + ',\n  '.join(json.dumps(each, allow_nan=False) for each in value) + '\n ]'
            lines.append(f' {json.dumps(key)}: {text}')
        return '{\n' + ',\n'.join(lines) + '\n}\n'

    def to_csv(self) -> str:
        """The intervals as CSV, one line each after a line of titles."""
        text = io.StringIO()
        writer = csv.DictWriter(text, Interval.__dataclass_fields__, lineterminator='\n')
        writer.writeheader()
        writer.writerows({key: _safe_cell(value) for key, value in asdict(each).items()} for each in self.intervals)
        return text.getvalue()

    def write(self, path: str | Path) -> None:
        """Writes JSON, or CSV if the file name ends in '.csv'. Raises OSError if the file cannot be written."""
        write_file(path, (self.to_csv() if Path(path).suffix.lower() == '.csv' else self.to_json()).encode())


def timeline_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of a timeline file."""
    return json.loads(resources.files(__package__).joinpath('timeline.schema.json').read_text(encoding='utf-8'))


def read_timeline(path: str | Path) -> Timeline:
    """Reads a timeline file in JSON.

    Args:
        path (str | Path): File of :meth:`Timeline.write`.

    Returns:
        Timeline: Its content.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file has another content or version, or is larger than 1 GiB.
    """
    path = Path(path)
    if path.stat().st_size > _MAX_BYTES:
        raise ValueError(f"'{path}' is larger than 1 GiB: no timeline is.")
    with names_file(path, 'give a timeline file of this package'):
        content = json.loads(path.read_bytes())
        if not isinstance(content, dict) or content.get('version') != VERSION:
            raise ValueError(f'it has no "version": {VERSION}')
        tracks = [Track(_whole(each, 'id', 1), _text(each, 'name'), *_positions(each)) for each in content['tracks']]
        names = {track.id: track.name for track in tracks}
        if len(names) < len(tracks):
            raise ValueError('two tracks have the same id')
        intervals = [_interval(each, names) for each in content['intervals']]
        return Timeline(
            content['video'] if content['video'] is None else _text(content, 'video'),
            _whole(content, 'width', 1),
            _whole(content, 'height', 1),
            _number(content, 'frame_rate', above_zero=True),
            _whole(content, 'stride', 1),
            _whole(content, 'frames', 0),
            _number(content, 'seconds'),
            tracks,
            intervals,
        )


def _interval(each: dict[str, Any], names: dict[int, str]) -> Interval:
    human, obj = _whole(each, 'human', 1), None if each['object'] is None else _whole(each, 'object', 1)
    for track in (human, obj):
        if track is not None and track not in names:
            raise ValueError(f'an interval names track {track}, which is not there')
    found = Interval(
        human,
        obj,
        each['object_name'] if each['object_name'] is None else _text(each, 'object_name'),
        _text(each, 'verb'),
        _text(each, 'phrase'),
        _whole(each, 'from_frame', 0),
        _whole(each, 'to_frame', 0),
        _number(each, 'from_seconds'),
        _number(each, 'to_seconds'),
        _number(each, 'confidence'),
    )
    if found.to_frame < found.from_frame or found.to_seconds < found.from_seconds or found.confidence > 1:
        raise ValueError('an interval ends before it begins, or its confidence is above 1')
    return found


def _positions(each: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    frames, boxes = np.asarray(each['frames']), np.asarray(each['boxes'], dtype=np.float32).reshape(-1, 4)
    if not len(frames):
        frames = np.zeros(0, dtype=int)
    if frames.ndim != 1 or len(frames) != len(boxes) or not np.isfinite(boxes).all():
        raise ValueError('a track needs a box of four finite numbers for each of its frames')
    if frames.dtype.kind != 'i' or (frames < 0).any() or (np.diff(frames) <= 0).any():
        raise ValueError('the frames of a track must be ascending whole numbers')
    return frames, boxes


def _whole(each: dict[str, Any], key: str, least: int) -> int:
    value = each[key]
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise ValueError(f'"{key}" must be a whole number of at least {least}')
    return value


def _number(each: dict[str, Any], key: str, above_zero: bool = False) -> float:
    value = each[key]
    if not isinstance(value, (int, float)) or isinstance(value, bool) or not math.isfinite(value) or value < 0:
        raise ValueError(f'"{key}" must be a number of at least 0')
    if above_zero and value == 0:
        raise ValueError(f'"{key}" must be above 0')
    return float(value)


def _text(each: dict[str, Any], key: str) -> str:
    if not isinstance(each[key], str):
        raise ValueError(f'"{key}" must be a text')
    return each[key]


def _safe_cell(value: Any) -> Any:
    """A cell that no spreadsheet takes for a formula. Phrases can come from a file of somebody else."""
    return f"'{value}" if isinstance(value, str) and value[:1] in ('=', '+', '-', '@', '\t', '\r') else value
