import numpy as np
import pytest
from scipy.io import savemat

from genvlkt_mmdet.datasets import HICODetDataset
from genvlkt_mmdet.datasets.formats import read_hico_release
from genvlkt_mmdet.vocabulary import load_vocabulary


def struct(rows: list[dict]) -> np.ndarray:
    """A 1 x n struct array, as Matlab saves it."""
    array = np.empty((1, len(rows)), dtype=[(key, object) for key in rows[0]])
    for i, row in enumerate(rows):
        array[0, i] = tuple(row.values())
    return array


def boxes(*coordinates: tuple) -> np.ndarray:
    return struct([dict(x1=float(a), x2=float(c), y1=float(b), y2=float(d)) for a, b, c, d in coordinates])


NOTHING = np.zeros((0, 0))


def hoi(hoi_id, humans=(), objects=(), connection=(), invis=0) -> dict:
    return dict(
        id=float(hoi_id),
        bboxhuman=boxes(*humans) if humans else NOTHING,
        bboxobject=boxes(*objects) if objects else NOTHING,
        connection=np.array(connection, dtype=float).reshape(-1, 2) if connection else NOTHING,
        invis=float(invis),
    )


def image(name, *hois) -> dict:
    size = struct([dict(width=640.0, height=480.0, depth=3.0)])
    return dict(filename=name, size=size, hoi=struct(list(hois)))


@pytest.fixture
def release(tmp_path):
    """Two test images and one training image in the layout of the release; HOI 1 is boarding an airplane."""
    test = [
        image(
            'HICO_test2015_00000001.jpg',
            hoi(1, [(208, 33, 427, 300)], [(1, 2, 100, 101), (50, 50, 90, 90)], [(1, 2), (1, 1)]),
            hoi(5, [(210, 33, 427, 301)], [(51, 50, 90, 91)], [(1, 1)]),
            hoi(8, invis=1),
        ),
        image('HICO_test2015_00000002.jpg', hoi(2, invis=1)),
    ]
    train = [image('HICO_train2015_00000001.jpg', hoi(600, [(5, 6, 7, 8)], [(9, 10, 11, 12)], [(1, 1)]))]
    savemat(tmp_path / 'anno_bbox.mat', dict(bbox_test=struct(test), bbox_train=struct(train)))
    labels = np.full((600, 2), -1.0)
    labels[[0, 4, 7], 1], labels[1, 0], labels[2, 0] = 1, 1, 0  # 0: uncertain
    names = np.array([['HICO_test2015_00000002.jpg'], ['HICO_test2015_00000001.jpg']], dtype=object)
    train_labels = np.full((600, 1), np.nan)
    train_labels[599] = 1
    train_names = np.array([['HICO_train2015_00000001.jpg']], dtype=object)
    savemat(
        tmp_path / 'anno.mat',
        dict(anno_test=labels, list_test=names, anno_train=train_labels, list_train=train_names),
    )
    return tmp_path


def test_records(release):
    records = read_hico_release(release / 'anno_bbox.mat', 'test', load_vocabulary('hico'))
    first, second = records
    assert (first['file_name'], first['width'], first['height']) == ('HICO_test2015_00000001.jpg', 640, 480)
    annotations = [(a['bbox'], a['category_id']) for a in first['annotations']]
    assert annotations == [
        ([207, 32, 426, 299], 1),  # 0-based: the release says 208, 33, 427, 300
        ([49, 49, 89, 89], 5),
        ([0, 1, 99, 100], 5),
        ([209, 32, 426, 300], 1),
        ([50, 49, 89, 90], 5),
    ]
    triplets = [(h['subject_id'], h['object_id'], h['hoi_category_id']) for h in first['hoi_annotation']]
    assert triplets == [(0, 1, 1), (0, 2, 1), (3, 4, 5)]
    vocabulary = load_vocabulary('hico')
    assert first['hoi_annotation'][0]['category_id'] == vocabulary.verb_names.index('board') + 1
    assert second['annotations'] == second['hoi_annotation'] == []
    assert 'image_hois' not in first


def test_image_labels_follow_the_file_names(release):
    records = read_hico_release(release / 'anno_bbox.mat', 'test', load_vocabulary('hico'), release / 'anno.mat')
    assert [r['image_hois'] for r in records] == [[1, 5, 8], [2]]
    (train,) = read_hico_release(release / 'anno_bbox.mat', 'train', load_vocabulary('hico'), release / 'anno.mat')
    assert train['image_hois'] == [600]


def test_dataset_reads_the_release(release):
    test = HICODetDataset(data_root=str(release), ann_file='anno_bbox.mat', test_mode=True)
    assert len(test) == 2 and test.family == 'hico_release'
    gt = test.get_data_info(0)['eval_gt']
    assert gt.triplets.labels.tolist() == [0, 0, 4] and gt.image_hois.tolist() == [0, 4, 7]
    assert gt.triplets.human_boxes[2].tolist() == [209, 32, 426, 300]
    train = HICODetDataset(data_root=str(release), ann_file='anno_bbox.mat')
    assert len(train) == 1 and train.get_data_info(0)['img_path'].endswith('HICO_train2015_00000001.jpg')
    # trained on, the two drawings of person and airplane become one pair with two labels
    merged = HICODetDataset(data_root=str(release), ann_file='anno_bbox.mat', split='test')
    pairs = merged.get_data_info(0)['pairs']
    assert pairs['object_ids'].tolist() == [1, 2] and np.argwhere(pairs['hoi_labels']).tolist() == [
        [0, 0],
        [0, 4],
        [1, 0],
    ]


def test_bad_input(release):
    vocabulary = load_vocabulary('hico')
    with pytest.raises(FileNotFoundError, match=r"none\.mat' is missing"):
        read_hico_release(release / 'none.mat', 'test', vocabulary)
    with pytest.raises(ValueError, match="splits 'train' and 'test', not 'val'"):
        read_hico_release(release / 'anno_bbox.mat', 'val', vocabulary)
    with pytest.raises(ValueError, match="holds no variable 'bbox_test'"):
        read_hico_release(release / 'anno.mat', 'test', vocabulary)
    (release / 'x.mat').write_bytes(b'hello')
    with pytest.raises(ValueError, match='is no Matlab file'):
        read_hico_release(release / 'x.mat', 'test', vocabulary)
    for bad, message in [
        (hoi(601, [(1, 1, 2, 2)], [(1, 1, 2, 2)], [(1, 1)]), 'HOI id 601 is out of range 1 to 600'),
        (hoi(3, [(1, 1, 2, 2)], [(1, 1, 2, 2)], [(1, 2)]), r'connection \(1, 2\) points to no box'),
    ]:
        savemat(release / 'bad.mat', dict(bbox_test=struct([image('a.jpg', bad)])))
        with pytest.raises(ValueError, match=message):
            read_hico_release(release / 'bad.mat', 'test', vocabulary)
