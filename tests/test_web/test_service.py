"""What the page does, without Gradio."""

import sys
import threading

import cv2
import numpy as np
import pytest

from genvlkt_mmdet.apis import HOIInferencer
from genvlkt_mmdet.assets import asset_path
from genvlkt_mmdet.minihoi.videos import render_minihoi_video
from genvlkt_mmdet.video import Interval
from genvlkt_mmdet.vocabulary import load_vocabulary
from genvlkt_mmdet.web import build_page
from genvlkt_mmdet.web.service import (
    HOIService,
    Limits,
    pair_at,
    pair_rows,
    query_of_row,
    reading_rows,
    timeline_rows,
)

EXAMPLE = asset_path('example.jpg')


@pytest.fixture(scope='module')
def service(web_weights):
    inferencer = HOIInferencer('gen_vlkt_tiny_minihoi', web_weights, device='cpu', show_progress=False)
    return HOIService(inferencer, Limits(pixels=20_000, phrases=3))


def test_interactions_are_those_of_the_inferencer(service):
    attended, readings = service.detect(EXAMPLE, 0.3, 20)
    (expected,) = service.inferencer(str(EXAMPLE), pred_score_thr=0.3, top_k=20)['predictions']
    assert list(attended.result) == list(expected) and len(expected) == 20
    assert attended.result.image == 'example.jpg' and readings == ()
    drawn = service.draw(attended)
    assert drawn.shape[1] == 480 and drawn.shape[0] >= 480
    assert service.draw(attended, attended.queries[0]).shape[1] > 960


def test_each_request_has_its_own_vocabulary(service):
    trained = load_vocabulary('minihoi')
    attended, readings = service.detect(EXAMPLE, 0, 100, 'a person washing a horse\n# a comment\n\npull, dog')
    assert {hoi['phrase'] for hoi in attended.result} == {'person washing a horse', 'person pulling a dog'}
    assert [row[:3] for row in reading_rows(readings)] == [
        ['a person washing a horse', 'wash', 'horse'],
        ['pull, dog', 'pull', 'dog'],
    ]
    assert {row[3] for row in reading_rows(readings)} == {'known'}
    new, readings = service.detect(EXAMPLE, 0, 100, 'a person juggling an umbrella')
    assert {hoi['phrase'] for hoi in new.result} == {'person juggling an umbrella'}
    assert reading_rows(readings)[0][3] == 'new verb'
    assert service.detect(EXAMPLE, 0, 100)[0].result.object_names == trained.object_names
    assert service.inferencer.model.bbox_head.vocabulary == trained


def test_a_phrase_that_cannot_be_read_does_not_disturb_the_next_request(service):
    before = service.detect(EXAMPLE, 0, 5)[0].result
    service.detect(EXAMPLE, 0, 5, 'a person washing a horse')
    with pytest.raises(ValueError, match='names no object'):
        service.detect(EXAMPLE, 0, 5, 'a person standing')
    with pytest.raises(ValueError, match='line 2 of the phrases has 3 parts'):
        service.detect(EXAMPLE, 0, 5, 'ride, horse\na, b, c')
    assert list(service.detect(EXAMPLE, 0, 5)[0].result) == list(before)


def test_the_vocabulary_of_the_start_is_the_one_without_phrases(service):
    model = service.inferencer.model
    model.set_vocabulary(['a person washing a horse'])
    try:
        own = HOIService(service.inferencer)
        assert {hoi['phrase'] for hoi in own.detect(EXAMPLE, 0, 9, 'a person riding a dog')[0].result} == {
            'person riding a dog'
        }
        for _ in range(2):
            attended, readings = own.detect(EXAMPLE, 0, 9)
            assert {hoi['phrase'] for hoi in attended.result} == {'person washing a horse'} and len(readings) == 1
    finally:
        model.reset_vocabulary()


def test_users_at_the_same_time_get_their_own_interactions(service):
    phrases = ['a person washing a horse', 'a person pulling a dog', 'a person riding a sheep', '']
    alone = {text: list(service.detect(EXAMPLE, 0, 30, text)[0].result) for text in phrases}
    wrong, barrier = [], threading.Barrier(len(phrases))

    def user(text):
        barrier.wait()
        for _ in range(4):
            if list(service.detect(EXAMPLE, 0, 30, text)[0].result) != alone[text]:
                wrong.append(text)

    threads = [threading.Thread(target=user, args=(text,)) for text in phrases]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong and len({str(hois) for hois in alone.values()}) == len(phrases)


def test_limits(service, tmp_path):
    cv2.imwrite(str(tmp_path / 'large.png'), np.zeros((150, 140, 3), np.uint8))
    with pytest.raises(ValueError, match=r'140 x 150 pixels, more than the 20,000 allowed'):
        service.detect(tmp_path / 'large.png', 1, 5)
    with pytest.raises(ValueError, match='There are 4 phrases: write at most 3'):
        service.detect(EXAMPLE, 1, 5, 'a\nb\nc\nd')
    (tmp_path / 'text.jpg').write_text('no image')
    with pytest.raises(ValueError, match='no image that can be decoded'):
        service.detect(tmp_path / 'text.jpg', 1, 5)
    with pytest.raises(ValueError, match='pred_score_thr'):
        service.detect(EXAMPLE, 3, 5)


def test_a_point_of_the_drawing_belongs_to_the_smallest_box_around_it(service):
    result = service.detect(EXAMPLE, 0, 3)[0].result
    boxes = dict(human_box=[10.0, 10, 60, 60], object_box=[50.0, 50, 120, 120])
    result[:] = [
        dict(result[0], **boxes, query=4),
        dict(result[1], human_box=[40.0, 40, 58, 58], object_box=None, query=7),
    ]
    scale = 480 / 128  # a drawing of 128 x 128 pixels is enlarged
    for point, query in (
        ((20, 20), 4),
        ((45, 45), 7),
        ((59, 59), 4),
        ((110, 110), 4),
        ((5, 5), None),
        ((70, 20), None),
    ):
        assert pair_at(result, (point[0] * scale, point[1] * scale)) == query


def test_rows_have_the_numbers_of_the_drawing(service):
    result = service.detect(EXAMPLE, 0, 5)[0].result
    apart = [dict(result[0], human_box=[x, 0.0, x + 9, 20], object_box=[x, 20.0, x + 9, 30]) for x in (0.0, 20.0, 40.0)]
    result[:] = [
        dict(apart[0], phrase='a', score=1.87654, confidence=0.87654, query=9),
        dict(apart[1], phrase='b', score=1.5, confidence=0.5, query=3),
        dict(apart[0], phrase='c', score=1.4, confidence=0.4, query=9),
        dict(apart[1], phrase='d', score=1.3, confidence=0.3, query=5),  # boxes as of query 3: drawn as the same pair
        dict(apart[2], phrase='a', score=0.9, confidence=0.0, query=2),
    ]
    rows = pair_rows(result)
    assert rows == [
        [1, 'a', 1.88, 0.88],
        [2, 'b', 1.5, 0.5],
        [1, 'c', 1.4, 0.4],
        [2, 'd', 1.3, 0.3],
        [3, 'a', 0.9, 0.0],
    ]
    assert [query_of_row(result, row) for row in rows] == [9, 3, 9, 5, 2]
    assert query_of_row(result, [4, 'a', 1, 1]) is None


def test_video(service, tmp_path):
    pytest.importorskip('trackers')
    render_minihoi_video(tmp_path / 'street.mp4', seed=1, num_frames=20)
    found, readings = service.detect_video(tmp_path / 'street.mp4', tmp_path / 'out', 1.2, 'push, chair\nlift, bicycle')
    line = found.timeline
    assert (line.video, line.frames, line.stride) == ('street.mp4', 20, 1) and len(readings) == 2
    assert found.files[0].parent == tmp_path / 'out' and found.files[0].stat().st_size > 1000
    assert {each.phrase for each in line.intervals} <= {'person pushing a chair', 'person lifting a bicycle'}
    line.intervals[:] = [Interval(4, 5, 'chair', 'push', 'person pushing a chair', 3, 9, 0.3, 1.04, 0.456)]
    assert timeline_rows(line) == [['0.3 to 1.0', 4, 'person pushing a chair', 0.46]]
    # A model that is too slow looks at fewer frames.
    slow = HOIService(service.inferencer, Limits(seconds=1e-9))
    line = slow.detect_video(tmp_path / 'street.mp4', tmp_path / 'slow', 1.2)[0].timeline
    assert (line.frames, line.stride) == (1, 20)
    with pytest.raises(ValueError, match="'street.mp4' lasts 2 seconds, more than the 1.5 allowed"):
        HOIService(service.inferencer, Limits(video_seconds=1.5)).detect_video(tmp_path / 'street.mp4', tmp_path, 1.2)


def test_without_gradio_the_message_says_what_to_install(service, monkeypatch):
    monkeypatch.setitem(sys.modules, 'gradio', None)
    with pytest.raises(ImportError, match=r"pip install 'genvlkt\[web\]'"):
        build_page(service)
