"""The timeline as a file: it validates against the schema, comes back as it was, and damaged files end in one sentence."""

import csv
import io
import json
from pathlib import Path

import jsonschema
import numpy as np
import pytest

from genvlkt_mmdet.video import Interval, Timeline, Track, read_timeline, timeline_schema


@pytest.fixture
def timeline() -> Timeline:
    boxes = np.array([[1, 2, 30.5, 40], [3, 2, 32.5, 40]], np.float32)
    return Timeline(
        video='clips/ride.mp4',
        width=640,
        height=480,
        frame_rate=25.0,
        stride=2,
        frames=50,
        seconds=4.0,
        tracks=[Track(1, 'person', np.array([0, 4]), boxes), Track(7, 'horse', np.array([0, 2]), boxes + 1)],
        intervals=[
            Interval(1, 7, 'horse', 'ride', 'person riding a horse', 0, 4, 0.0, 0.24, 0.75),
            Interval(1, None, None, 'stand', '=cmd', 2, 2, 0.08, 0.16, 0.5),
        ],
    )


def test_the_file_validates_and_comes_back(timeline, tmp_path):
    timeline.write(tmp_path / 'ride.json')
    content = json.loads((tmp_path / 'ride.json').read_text())
    jsonschema.Draft202012Validator.check_schema(timeline_schema())
    jsonschema.validate(content, timeline_schema())
    again = read_timeline(tmp_path / 'ride.json')
    assert again.to_dict() == timeline.to_dict() == content
    assert again.intervals == timeline.intervals
    np.testing.assert_array_equal(again.tracks[1].boxes, timeline.tracks[1].boxes)


def test_the_docs_show_the_schema():
    page = (Path(__file__).parents[2] / 'docs' / 'video.md').read_text()
    (shown,) = (block for block in page.split('```json\n')[1:] if '$schema' in block)
    assert json.loads(shown.partition('```')[0]) == timeline_schema()


def test_an_empty_timeline_validates(tmp_path):
    Timeline(None, 8, 8, 25.0).write(tmp_path / 'empty.json')
    jsonschema.validate(json.loads((tmp_path / 'empty.json').read_text()), timeline_schema())
    assert read_timeline(tmp_path / 'empty.json').intervals == []


def test_csv_has_a_line_for_each_interval(timeline, tmp_path):
    timeline.write(tmp_path / 'ride.csv')
    first, second = csv.DictReader(io.StringIO((tmp_path / 'ride.csv').read_text()))
    assert first == {
        'human': '1', 'object': '7', 'object_name': 'horse', 'verb': 'ride', 'phrase': 'person riding a horse',
        'from_frame': '0', 'to_frame': '4', 'from_seconds': '0.0', 'to_seconds': '0.24', 'confidence': '0.75',
    }  # fmt: skip
    assert second['object'] == second['object_name'] == ''
    assert second['phrase'] == "'=cmd"  # a spreadsheet would run it


def test_boxes_between_detections_are_interpolated(timeline):
    boxes = timeline.tracks[0].boxes_at(np.array([0, 1, 4, 5]))
    np.testing.assert_allclose(boxes[:3], [[1, 2, 30.5, 40], [1.5, 2, 31, 40], [3, 2, 32.5, 40]])
    assert np.isnan(boxes[3]).all()


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (lambda c: c.update(version=2), 'version'),
        (lambda c: c.pop('tracks'), "'tracks' is missing"),
        (lambda c: c.update(frame_rate=0), 'frame_rate'),
        (lambda c: c.update(width=True), 'width'),
        (lambda c: c['intervals'][0].update(human=5), 'track 5'),
        (lambda c: c['intervals'][0].update(confidence=1.5), 'above 1'),
        (lambda c: c['intervals'][0].update(to_frame=-1), 'to_frame'),
        (lambda c: c['intervals'][1].update(from_frame=3), 'ends before it begins'),
        (lambda c: c['intervals'][0].update(verb=3), 'verb'),
        (lambda c: c['tracks'][0].update(frames=[4, 0]), 'ascending'),
        (lambda c: c['tracks'][0].update(frames=[0]), 'box of four'),
        (lambda c: c['tracks'][0].update(id=7), 'same id'),
        (lambda c: c['tracks'][0].update(boxes=[[1, 2, 3, 4], [1, 2, 3, 'x']]), 'ride.json'),
        (lambda c: c['tracks'][0].update(boxes={}), 'ride.json'),
    ],
)
def test_damaged_files_end_in_one_sentence(timeline, tmp_path, change, message):
    content = timeline.to_dict()
    change(content)
    (tmp_path / 'ride.json').write_text(json.dumps(content))
    with pytest.raises(ValueError, match=message) as error:
        read_timeline(tmp_path / 'ride.json')
    assert 'ride.json' in str(error.value) and '\n' not in str(error.value)


@pytest.mark.parametrize('content', [b'', b'[]', b'\xff\xfe', b'{"version": 1', b'[' * 100_000])
def test_other_files_end_in_one_sentence(tmp_path, content):
    (tmp_path / 'other.json').write_bytes(content)
    with pytest.raises(ValueError, match='other.json'):
        read_timeline(tmp_path / 'other.json')
