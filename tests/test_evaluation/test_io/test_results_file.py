import json

import numpy as np
import pytest

from genvlkt_mmdet.evaluation import load_detections
from genvlkt_mmdet.evaluation.io import read_results, results_json, write_results
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


def random_entries(seed=0):
    """Detections of all images but one, with pairs without object, repeated triplets and equal scores."""
    rng = np.random.default_rng(seed)
    entries = []
    for i in rng.permutation(40)[:-1]:
        boxes = rng.integers(0, 40, (2, 30, 4)).astype(np.float32) * np.float32(0.7)
        boxes[..., 2:] += boxes[..., :2]
        boxes[1, rng.random(30) < 0.2] = np.nan
        boxes[:, 20:] = boxes[:, :10]
        labels, scores = rng.integers(0, 29, 30), (rng.integers(0, 12, 30) / 11).astype(np.float32)
        labels[20:] = labels[:10]
        count = 0 if i == 3 else 30
        names = ('human_boxes', 'object_boxes', 'labels', 'scores')
        arrays = dict(zip(names, (part[:count] for part in (*boxes, labels, scores))))
        entries.append(dict(file_name=f'{i}.jpg', **arrays))
    return entries


SPLIT = [dict(file_name=f'{i}.jpg', img_id=i) for i in range(40)]


def same(a, b):
    pairs = ((np.asarray(x), np.asarray(y)) for x, y in zip(vars(a).values(), vars(b).values(), strict=True))
    return all(x.dtype == y.dtype and np.array_equal(x, y, equal_nan=x.dtype.kind == 'f') for x, y in pairs)


def test_all_forms_and_both_readers_give_the_same_arrays(tmp_path, monkeypatch):
    entries = random_entries()
    for name in ('r.json', 'r.npz'):
        write_results(tmp_path / name, entries)
    lists = json.loads((tmp_path / 'r.json').read_text())
    (tmp_path / 'indented.json').write_text(json.dumps(lists, indent=2))
    (tmp_path / 'one_line.json').write_text(json.dumps(lists, separators=(',', ':')))
    # what only the thorough reader knows: inner objects and brackets in names
    (tmp_path / 'more.json').write_text(json.dumps([{**lists[0], 'more': dict(a='}')}, *lists[1:]]))
    quick, missing = read_results(tmp_path / 'r.json', SPLIT, 29, may_lack_object=True)
    assert missing == 1 and len(quick) == 38 * 30 and (np.diff(quick.images) >= 0).all()
    for name in ('r.npz', 'indented.json', 'one_line.json', 'more.json'):
        assert same(quick, read_results(tmp_path / name, SPLIT, 29, may_lack_object=True)[0]), name
    by_name = {entry['file_name']: entry for entry in entries}
    for key in ('human_boxes', 'object_boxes', 'labels', 'scores'):
        expected = np.concatenate([by_name[i['file_name']][key] for i in SPLIT if i['file_name'] in by_name])
        np.testing.assert_array_equal(getattr(quick, key), expected)

    def unused(path):
        raise AssertionError('the quick reader must read what write_results writes')

    monkeypatch.setattr(results_json, '_entries', unused)
    for name in ('r.json', 'indented.json', 'one_line.json'):
        read_results(tmp_path / name, SPLIT, 29, may_lack_object=True)


@pytest.mark.parametrize('kind', ['npz', 'json'])
def test_a_file_without_triplets(tmp_path, kind):
    path = tmp_path / f'r.{kind}'
    write_results(path, [])
    assert read_results(path, IMAGES, 600)[1] == 3
    write_results(path, [dict(file_name='c.jpg', human_boxes=[], object_boxes=[], labels=[], scores=[])])
    triplets, missing = read_results(path, IMAGES, 600)
    assert (len(triplets), missing, triplets.human_boxes.shape) == (0, 2, (0, 4))


def test_the_quick_reader_accepts_no_more_than_the_thorough_one(tmp_path):
    """Any value in any place: both readers read the same, or both refuse."""
    read = set()
    values = (
        None,
        True,
        1,
        1.5,
        -0.0,
        2**70,
        '1',
        '',
        [],
        [1],
        {},
        [BOX],
        [BOX, None],
        ['1', 2, 3, 4],
        '1234',
        [[1], 2, 3, 4],
    )
    for key in entry():
        for value in [*values, [None], [True], ['1'], ['1234'], [['1', '2', '3', '4']], [[1, 2, 3, [4]]], [[None] * 4]]:
            path = write(tmp_path, [entry(**{key: value})])
            try:
                expected = results_json._join(
                    results_json._entries(path), lambda e, path=path: results_json._arrays(path, e)
                )
            except ValueError:
                expected = None
            try:
                found = results_json._join(results_json._quick_entries(path), results_json._quick_arrays)
            except results_json._NotPlain:
                continue
            assert expected is not None and same(expected, found), (key, value)
            read.add(key)
    assert len(read) == 5


def npz(tmp_path, **changes):
    arrays = dict(
        file_names=np.array(['a.jpg', 'sub/b.jpg']),
        counts=np.array([1, 2]),
        human_boxes=np.array([BOX] * 3),
        object_boxes=np.array([BOX] * 3),
        labels=np.array([3, 4, 5]),
        scores=np.array([0.25, 0.5, 1.0]),
    )
    arrays = {key: value for key, value in {**arrays, **changes}.items() if value is not None}
    np.savez(tmp_path / 'r.npz', **arrays)
    return tmp_path / 'r.npz'


@pytest.mark.parametrize(
    'changes, message',
    [
        (dict(scores=np.array([1, 1, np.nan])), r"r\.npz', image 'sub/b\.jpg': `scores` holds NaN or infinity"),
        (dict(human_boxes=np.array([BOX, BOX, [0, 0, np.inf, 1]])), '`human_boxes` holds NaN or infinity'),
        (dict(object_boxes=np.array([BOX, [0, 0, np.nan, 1], BOX])), '`object_boxes` holds NaN or infinity'),
        (dict(object_boxes=np.array([BOX, [np.nan] * 4, BOX])), 'an object box is null, but every class'),
        (dict(labels=np.array([3, 4, 600])), "image 'sub/b.jpg': label 600 is out of range; labels are 0 to 599"),
        (dict(labels=np.array([-1, 4, 6])), "image 'a.jpg': label -1 is out of range"),
        (dict(labels=np.array([1.0, 2, 3])), r'`labels` must be whole numbers of shape \(3,\)'),
        (dict(labels=None), '`labels` is missing'),
        (dict(counts=np.array([1, 1])), r'`human_boxes` must be .* since `counts` adds up to 2, but it is \(3, 4\)'),
        (dict(counts=np.array([-1, 4])), '`counts` must be one whole number of at least 0'),
        (dict(counts=np.array([2**62, 2**62])), '`human_boxes` must be'),
        (dict(counts=np.array([3])), '`counts` must be one whole number of at least 0 per file name'),
        (dict(file_names=np.array([1, 2])), '`file_names` must be a list of texts'),
        (dict(file_names=np.array(['a.jpg', 'a.jpg'])), "image 'a.jpg': the image occurs twice"),
        (dict(file_names=np.array(['a.jpg', 'z.jpg'])), "image 'z.jpg': the annotation file has no such image"),
        (dict(scores=np.array([1, 1, 1])), '`scores` must be floating-point numbers'),
        (dict(scores=np.array([0.5, 'a', None], dtype=object)), r"r\.npz'"),
        (dict(human_boxes=np.ones((3, 5))), r'`human_boxes` must be floating-point numbers of shape \(3, 4\)'),
    ],
)
def test_wrong_columns(tmp_path, changes, message):
    assert len(read_results(npz(tmp_path), IMAGES, 600)[0]) == 3
    with pytest.raises(ValueError, match=message):
        read_results(npz(tmp_path, **changes), IMAGES, 600)


def test_no_columns(tmp_path):
    path = npz(tmp_path)
    content = path.read_bytes()
    np.savez_compressed(path, **np.load(path))
    with pytest.raises(ValueError, match='`file_names` is compressed; write it with numpy.savez'):
        read_results(path, IMAGES, 600)
    with open(path, 'wb') as file:
        np.save(file, np.zeros(3))
    with pytest.raises(ValueError, match=r"r\.npz' is no readable \.npz file"):
        read_results(path, IMAGES, 600)
    for end in range(0, len(content), 61):
        path.write_bytes(content[:end])
        with pytest.raises(ValueError, match=r"r\.npz'"):
            read_results(path, IMAGES, 600)
    for place in range(0, len(content), 7):
        path.write_bytes(content[:place] + bytes([content[place] ^ 0x55]) + content[place + 1 :])
        try:
            read_results(path, IMAGES, 600)
        except ValueError as error:
            assert 'r.npz' in str(error)
