import json

import numpy as np
import pytest

from genvlkt_mmdet.evaluation import load_detections
from genvlkt_mmdet.evaluation.io import read_results, write_results
from genvlkt_mmdet.evaluation.io.image_index import ImageIndex

IMAGES = [dict(file_name='a.jpg', img_id=0), dict(file_name='sub/b.jpg', img_id=1), dict(file_name='c.jpg', img_id=2)]
BOX = [0.0, 1.0, 9.0, 9.5]


def entry(file_name='a.jpg', **changes):
    return {
        **dict(file_name=file_name, human_boxes=[BOX], object_boxes=[BOX], labels=[3], scores=[0.25]),
        **changes,
    }


def write(tmp_path, content):
    path = tmp_path / 'results.json'
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_round_trip_keeps_every_digit(tmp_path):
    rng = np.random.default_rng(0)
    entries = []
    for image in IMAGES[:2]:
        boxes = rng.uniform(0, 500, (2, 5, 4)).astype(np.float32)
        boxes[1, 2] = np.nan
        labels, scores = rng.integers(0, 29, 5), rng.random(5).astype(np.float32)
        entries.append(
            dict(
                file_name=image['file_name'], human_boxes=boxes[0], object_boxes=boxes[1], labels=labels, scores=scores
            )
        )
    path = tmp_path / 'new' / 'folder' / 'results.json'
    write_results(path, entries)
    triplets, missing = read_results(path, IMAGES, 29, may_lack_object=True)
    assert missing == 1 and triplets.images.tolist() == [0] * 5 + [1] * 5
    for key in ('human_boxes', 'object_boxes', 'labels', 'scores'):
        np.testing.assert_array_equal(getattr(triplets, key), np.concatenate([e[key] for e in entries]))


def test_missing_images_are_counted(tmp_path):
    assert read_results(write(tmp_path, []), IMAGES, 600)[1] == 3
    triplets, missing = read_results(write(tmp_path, [entry('c.jpg')]), IMAGES, 600)
    assert missing == 2 and triplets.images.tolist() == [2]
    empty = entry(human_boxes=[], object_boxes=[], labels=[], scores=[])
    triplets, missing = read_results(write(tmp_path, [empty]), IMAGES, 600)
    assert missing == 2 and len(triplets) == 0


@pytest.mark.parametrize(
    'changes, message',
    [
        (dict(scores=[float('nan')]), "image 'a.jpg': `scores` holds NaN or infinity"),
        (dict(human_boxes=[[0, 0, float('inf'), 1]]), '`human_boxes` holds NaN or infinity'),
        (dict(object_boxes=[[float('nan')] * 4]), '`object_boxes` holds NaN or infinity'),
        (dict(labels=[600]), "image 'a.jpg': label 600 is out of range; labels are 0 to 599"),
        (dict(labels=[-1]), 'label -1 is out of range'),
        (dict(labels=[1.5]), 'label 1.5 is out of range'),
        (dict(labels=['ride']), '`labels` must be numbers'),
        (dict(human_boxes=[[0, 0, 9]]), r'`human_boxes` must be \[x1, y1, x2, y2\] each'),
        (dict(object_boxes=[[0, 0, 9, 9], [0]]), '1 human_boxes, 2 object_boxes, 1 labels, 1 scores'),
        (dict(object_boxes=[None]), 'an object box is null, but every class of this dataset has an object'),
        (dict(scores=None), '`scores` is missing or is no list'),
        (dict(file_name='z.jpg'), "image 'z.jpg': the annotation file has no such image"),
        (dict(file_name=7), 'entry 0: it must be an object with `file_name`'),
    ],
)
def test_wrong_entries(tmp_path, changes, message):
    with pytest.raises(ValueError, match=message):
        read_results(write(tmp_path, [entry(**changes)]), IMAGES, 600)


def test_an_image_that_occurs_twice(tmp_path):
    with pytest.raises(ValueError, match="image 'a.jpg': the image occurs twice"):
        read_results(write(tmp_path, [entry(), entry()]), IMAGES, 600)


def test_truncated_file(tmp_path):
    text = json.dumps([entry(), entry('c.jpg')])
    middle = text.index('c.jpg') + 20
    for cut in (middle, len(text) - 1):
        with pytest.raises(
            ValueError, match=r"ends in the middle \(truncated\?\) after image '[ac].jpg'; write it again"
        ):
            read_results(write(tmp_path, text[:cut]), IMAGES, 600)
    with pytest.raises(ValueError, match=r'ends in the middle \(truncated\?\) in its first entry'):
        read_results(write(tmp_path, text[:30]), IMAGES, 600)


@pytest.mark.parametrize(
    'text, message',
    [
        ('{"a.jpg": []}', 'must hold a JSON list with one entry per image'),
        ('', 'must hold a JSON list'),
        ('[{"file_name": "a.jpg" "labels": []}]', 'is no valid JSON .*in its first entry'),
    ],
)
def test_no_list(tmp_path, text, message):
    with pytest.raises(ValueError, match=message):
        read_results(write(tmp_path, text), IMAGES, 600)


def test_no_text(tmp_path):
    path = tmp_path / 'results.json'
    path.write_bytes(b'\x80\x02\xff\xfe')
    with pytest.raises(ValueError, match='is no JSON text'):
        read_results(path, IMAGES, 600)


def test_wrong_kind_of_file(tmp_path):
    with pytest.raises(FileNotFoundError, match='There are no results at'):
        load_detections(tmp_path / 'none.json', IMAGES, 'hico')
    (tmp_path / 'dets.pkl').write_bytes(b'')
    with pytest.raises(ValueError, match="only V-COCO's official program has that format"):
        load_detections(tmp_path / 'dets.pkl', IMAGES, 'hico')
    with pytest.raises(ValueError, match="is a folder: V-COCO's detections are one pickle"):
        load_detections(tmp_path, IMAGES, 'vcoco')
    with pytest.raises(FileNotFoundError, match='holds no detections_XX.mat'):
        load_detections(tmp_path, IMAGES, 'hico')


def test_images_are_found_by_longer_and_shorter_names():
    index = ImageIndex([*IMAGES, dict(file_name='x/d.jpg', img_id=3), dict(file_name='y/d.jpg', img_id=4)])
    assert index.by_name('a.jpg') == index.by_name('data/images/a.jpg') == 0
    assert index.by_name('sub/b.jpg') == index.by_name('b.jpg') == index.by_name('data/sub/b.jpg') == 1
    assert (index.by_name('data/y/d.jpg'), index.by_name('d.jpg'), index.by_name('e.jpg')) == (4, None, None)
    coco = ImageIndex([dict(file_name='COCO_val2014_000000000294.jpg', img_id=5)])
    assert (coco.by_id(294), coco.by_id(5)) == (0, None)
