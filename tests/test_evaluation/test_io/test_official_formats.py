import json
import os
import pickle

import numpy as np
import pytest
from scipy.io import loadmat, savemat

from genvlkt_mmdet.evaluation import Detections, evaluate_detections, export_detections, load_detections
from genvlkt_mmdet.structures import Triplets


@pytest.fixture(scope='module')
def mats(hico_fixture, tmp_path_factory):
    folder = tmp_path_factory.mktemp('mats')
    dets = Detections(hico_fixture.triplets['no_nms'])
    return folder, dets, export_detections(folder, dets, hico_fixture.images, 'hico')


def test_mats_are_laid_out_as_the_official_program_reads_them(hico_fixture, mats):
    folder, _, files = mats
    assert [file.name for file in files] == [f'detections_{i:02d}.mat' for i in range(1, 81)]
    # object 2 is the bicycle: HOI ids 11 to 24, rows of human box, object box and score in 0-based pixels
    cells = loadmat(folder / 'detections_02.mat')['all_boxes']
    assert cells.shape == (14, len(hico_fixture.images))
    number = 0
    for image, dets in enumerate(hico_fixture.dets['no_nms']):
        triplets = list(zip(*(dets[key] for key in ('labels', 'scores', 'human_boxes', 'object_boxes'))))
        for label in {triplet[0] for triplet in triplets if 10 <= triplet[0] < 24}:
            rows = [[*human, *obj, score] for k, score, human, obj in triplets if k == label]
            rows.sort(key=lambda row: -row[8])
            np.testing.assert_array_equal(cells[label - 10, image], rows)
            number += len(rows)
    assert number == sum(len(cell) for row in cells for cell in row) > 20


def test_mats_evaluate_to_the_same_numbers(hico_fixture, mats):
    folder, dets, _ = mats
    again = load_detections(folder, hico_fixture.images, 'hico')
    assert len(again.content) == len(dets.content)
    expected = evaluate_detections(dets, hico_fixture.images, 'hico')
    summary = evaluate_detections(again, hico_fixture.images, 'hico')
    assert summary['default'] == expected['default'] and summary['known_object'] == expected['known_object']


def test_mats_hold_at_most_so_many_detections_of_a_class(tmp_path):
    from genvlkt_mmdet.evaluation.io import read_hico_mats, write_hico_mats
    from genvlkt_mmdet.vocabulary import load_vocabulary

    images = [dict(file_name='b.jpg', img_id=0), dict(file_name='a.jpg', img_id=1)]
    boxes = np.tile([0.0, 0, 9, 9], (6, 1))
    dets = Triplets(
        np.array([0, 1, 0, 1, 0, 1]),
        boxes,
        boxes,
        np.array([0, 0, 0, 0, 1, 1]),
        np.array([0.1, 0.4, 0.3, 0.2, 0.5, 0.6]),
    )
    write_hico_mats(tmp_path, dets, images, load_vocabulary('hico'), max_per_class=2)
    kept, missing = read_hico_mats(tmp_path, images, load_vocabulary('hico'))
    assert missing == 0
    rows = sorted(zip(kept.labels.tolist(), kept.scores.tolist(), kept.images.tolist()))
    assert rows == [(0, 0.3, 0), (0, 0.4, 1), (1, 0.5, 0), (1, 0.6, 1)]


@pytest.mark.parametrize(
    'content, message',
    [
        (None, 'is no Matlab file'),
        (dict(boxes=np.zeros(3)), "holds no variable 'all_boxes'"),
        (dict(all_boxes=np.zeros(3)), 'holds no cell array `all_boxes`'),
        (dict(all_boxes=np.empty((3, 2), object)), "has 3 x 2 cells, but object 'bicycle' has 14 HOI classes"),
    ],
)
def test_wrong_mats(hico_fixture, tmp_path, content, message):
    path = tmp_path / 'detections_02.mat'
    if content is None:
        path.write_bytes(b'nothing of the kind')
    else:
        if content.get('all_boxes', np.zeros(3)).dtype == object:
            content['all_boxes'].fill(np.zeros((0, 9)))
        savemat(path, content)
    with pytest.raises(ValueError, match=message):
        load_detections(tmp_path, hico_fixture.images, 'hico')


def test_a_cell_of_the_wrong_width(hico_fixture, tmp_path):
    cells = np.empty((14, len(hico_fixture.images)), object)
    cells.fill(np.zeros((0, 9)))
    cells[3, 5] = np.zeros((2, 8))
    savemat(tmp_path / 'detections_02.mat', dict(all_boxes=cells))
    name = hico_fixture.images[5]['file_name']
    with pytest.raises(ValueError, match=f"class 13, image '{name}': a cell must hold rows of nine finite numbers"):
        load_detections(tmp_path, hico_fixture.images, 'hico')


def test_pickle_round_trip(vcoco_fixture, tmp_path):
    dets = load_detections(vcoco_fixture.paths.results, vcoco_fixture.images, 'vcoco')
    path = tmp_path / 'new' / 'dets.pkl'
    export_detections(path, dets, vcoco_fixture.images, 'vcoco')
    people = pickle.loads(path.read_bytes())
    assert len(people) == len(vcoco_fixture.people) - 1  # without the one of a foreign image
    assert set(people[0]) == set(vcoco_fixture.people[0])
    again = load_detections(path, vcoco_fixture.images, 'vcoco')
    assert evaluate_detections(again, vcoco_fixture.images, 'vcoco') == evaluate_detections(
        dets, vcoco_fixture.images, 'vcoco'
    )


def test_a_results_file_exports_to_the_same_numbers(vcoco_fixture, tmp_path):
    """A role that was detected twice on one pair becomes a person of its own."""
    image = vcoco_fixture.images[3]
    person, other = image['eval_gt'].triplets.human_boxes[0].tolist(), [3.0, 4.0, 50.0, 60.0]
    entry = dict(
        file_name=image['file_name'],
        human_boxes=[person, person, person, person],
        object_boxes=[other, None, other, other],
        labels=[0, 0, 0, 5],
        scores=[0.9, 0.8, 0.7, 0.6],
    )
    (tmp_path / 'results.json').write_text(json.dumps([entry]))
    dets = load_detections(tmp_path / 'results.json', vcoco_fixture.images, 'vcoco')
    export_detections(tmp_path / 'dets.pkl', dets, vcoco_fixture.images, 'vcoco')
    assert len(pickle.loads((tmp_path / 'dets.pkl').read_bytes())) == 3
    again = load_detections(tmp_path / 'dets.pkl', vcoco_fixture.images, 'vcoco')
    assert again.num_missing == dets.num_missing == 199
    assert evaluate_detections(again, vcoco_fixture.images, 'vcoco') == evaluate_detections(
        dets, vcoco_fixture.images, 'vcoco'
    )


class Malicious:
    def __reduce__(self):
        return os.mkdir, ('ran_by_pickle',)


def test_a_pickle_cannot_run_anything(vcoco_fixture, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / 'dets.pkl'
    path.write_bytes(pickle.dumps([Malicious()]))
    with pytest.raises(ValueError, match='mkdir'):
        load_detections(path, vcoco_fixture.images, 'vcoco')
    assert not (tmp_path / 'ran_by_pickle').exists()


def test_the_pickle_may_hold_numpy_arrays(vcoco_fixture, tmp_path):
    people = [{k: np.array(v) if isinstance(v, list) else v for k, v in p.items()} for p in vcoco_fixture.people[:50]]
    people[0]['hold_agent'] = np.float32(people[0]['hold_agent'])
    for protocol in (2, pickle.HIGHEST_PROTOCOL):
        (tmp_path / 'dets.pkl').write_bytes(pickle.dumps(people, protocol=protocol))
        dets = load_detections(tmp_path / 'dets.pkl', vcoco_fixture.images, 'vcoco')
        assert len(dets.content.boxes) == sum(p['image_id'] != 1 for p in people)


@pytest.mark.parametrize(
    'change, message',
    [
        (lambda people: people[0].pop('hold_obj'), '`hold_obj` is missing'),
        (lambda people: people[0].pop('image_id'), 'person 0: `image_id` is missing'),
        (lambda people: people[0].update(sit_instr=[1, 2]), r'`sit_instr` must be 5 number\(s\)'),
        (lambda people: people.append(3), 'must hold a list with one dict per detected person'),
    ],
)
def test_wrong_pickles(vcoco_fixture, tmp_path, change, message):
    people = [dict(vcoco_fixture.people[0])]
    change(people)
    (tmp_path / 'dets.pkl').write_bytes(pickle.dumps(people))
    with pytest.raises(ValueError, match=message):
        load_detections(tmp_path / 'dets.pkl', vcoco_fixture.images, 'vcoco')
