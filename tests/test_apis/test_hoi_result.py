import json
import pickle
import sys

import cv2
import numpy as np
import pandas
import pytest

from genvlkt_mmdet.apis import HOIResult

RIDE = dict(
    human_box=[5.0, 0.0, 25.0, 40.0],
    object_box=[0.0, 20.0, 60.0, 48.0],
    object='horse',
    verb='ride',
    phrase='person riding a horse',
    score=1.75,
    confidence=0.75,
    query=3,
)
# of the same pair, a pair of its own, and a pair with an object that has no class
STAND = dict(RIDE, object_box=None, object=None, verb='stand', phrase='person standing', score=1.5, confidence=0.5)
WALK = dict(
    STAND, human_box=[30.0, 0.0, 60.0, 40.0], verb='walk', phrase='person walking', score=0.5, confidence=0.0, query=7
)


@pytest.fixture
def result():
    return HOIResult([RIDE, STAND, WALK], width=64, height=48, object_names=['cup', 'person', 'horse'])


def test_is_a_list_that_knows_its_image(result):
    assert result == [RIDE, STAND, WALK] and result[1] is STAND and len(result) == 3
    assert HOIResult() == [] and not HOIResult()
    assert json.loads(json.dumps(result)) == result
    again = pickle.loads(pickle.dumps(result))
    assert again == result and vars(again) == vars(result)


def test_text():
    alone = HOIResult([RIDE], 'a.jpg', 64, 48)
    assert repr(alone) == 'HOIResult(a.jpg, 64 x 48, 1 interaction: person riding a horse 1.75)'
    assert str(alone) == 'a.jpg: person riding a horse 1.75'
    frame = HOIResult([RIDE, STAND, WALK, WALK], 'b.mp4', 64, 48, frame=75, time=3.0)
    assert repr(frame).startswith('HOIResult(b.mp4 frame 75 (3.00 s), 64 x 48, 4 interactions: person riding')
    assert repr(frame).endswith('person walking 0.50, ...)')
    assert repr(HOIResult(width=9, height=8)) == 'HOIResult(9 x 8, 0 interactions)'
    assert str(HOIResult()) == 'image: no interaction'


def test_dict_and_json():
    alone = HOIResult([RIDE], 'a.jpg', 64, 48)
    assert alone.to_dict() == dict(image='a.jpg', width=64, height=48, hois=[RIDE])
    frame = HOIResult([STAND], 'b.mp4', 64, 48, frame=75, time=3.0)
    expected = dict(image='b.mp4', frame=75, time=3.0, width=64, height=48, hois=[STAND])
    assert frame.to_dict() == json.loads(frame.to_json()) == json.loads(frame.to_json(indent=1)) == expected


def test_table(result):
    table = result.to_pandas()
    assert len(table) == 3 and list(table.verb) == ['ride', 'stand', 'walk']
    assert list(table.loc[0, ['human_x1', 'human_y1', 'human_x2', 'human_y2']]) == RIDE['human_box']
    assert list(table.loc[0, ['object_x1', 'object_y1', 'object_x2', 'object_y2']]) == RIDE['object_box']
    assert table.loc[1:, ['object_x1', 'object_y2']].isna().all(axis=None)
    assert list(table.confidence) == [0.75, 0.5, 0.0] and list(table['query']) == [3, 3, 7]
    empty = HOIResult().to_pandas()
    assert empty.empty and list(empty.columns) == list(table.columns)
    frames = pandas.concat([HOIResult([RIDE], 'b.mp4', frame=i, time=i / 25).to_pandas() for i in range(3)])
    assert list(frames.frame) == [0, 1, 2] and set(frames.image) == {'b.mp4'}


def test_detections_of_supervision(result):
    pytest.importorskip('supervision')
    humans, objects = result.to_supervision()
    np.testing.assert_array_equal(humans.xyxy, [RIDE['human_box'], WALK['human_box']])
    np.testing.assert_array_equal(objects.xyxy, [RIDE['object_box']])
    np.testing.assert_allclose(humans.confidence, [0.75, 0.0])
    assert humans.class_id.tolist() == [1, 1] and objects.class_id.tolist() == [2]
    assert humans['pair_id'].tolist() == [3, 7] and objects['pair_id'].tolist() == [3]
    assert humans['class_name'].tolist() == ['person', 'person'] and objects['class_name'].tolist() == ['horse']
    assert humans['phrases'].tolist() == ['person riding a horse, person standing', 'person walking']
    # 'person' is no class of this model, and the triplet with the box of the pair is not its best one
    late = HOIResult([dict(STAND, score=1.9, confidence=0.9), RIDE], object_names=['horse'])
    humans, objects = late.to_supervision()
    assert humans.class_id.tolist() == [1] and objects.class_id.tolist() == [0]
    np.testing.assert_allclose(objects.confidence, [0.9])
    assert [len(part) for part in HOIResult().to_supervision()] == [0, 0]


@pytest.mark.parametrize(
    ('module', 'method', 'advice'),
    [
        ('pandas', 'to_pandas', 'pip install pandas'),
        ('supervision', 'to_supervision', r"pip install 'genvlkt\[video\]'"),
    ],
)
def test_libraries_that_are_not_installed(result, monkeypatch, module, method, advice):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ImportError, match=f'^This needs {module}, which is not installed: run `{advice}`'):
        getattr(result, method)()


def test_plot(result, tmp_path):
    grey = np.full((48, 64, 3), (90, 120, 30), np.uint8)
    cv2.imwrite(str(tmp_path / 'a.png'), grey)
    result.pixels = grey
    drawing = result.plot()
    assert drawing.shape[0] >= 480 and drawing.dtype == np.uint8
    assert drawing[5, -5].tolist() == [30, 120, 90]  # RGB of a corner without a pair
    from_file = HOIResult(result, str(tmp_path / 'a.png'), 64, 48).plot()
    np.testing.assert_array_equal(from_file, drawing)
    fewer = HOIResult(result, str(tmp_path / 'a.png'), 64, 48).plot(max_hois=1)
    assert (fewer != drawing).any()
    blank = HOIResult(pixels=grey).plot()
    assert (blank == [30, 120, 90]).all()
    for lost in (HOIResult([RIDE]), HOIResult([RIDE], 'b.mp4', frame=3, time=0.1)):
        with pytest.raises(ValueError, match='has no pixels to draw on: take the results of HOIInferencer.stream'):
            lost.plot()
