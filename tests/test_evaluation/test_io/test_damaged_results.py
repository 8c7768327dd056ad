"""Every field of every format of detections with every kind of wrong value: it is read, or one sentence names the file."""

import json
import pickle

import numpy as np
import pytest
from scipy.io import savemat
from scipy.sparse import csc_matrix

from genvlkt_mmdet.datasets.formats import mat_child, mat_file
from genvlkt_mmdet.evaluation import evaluate_detections, load_detections
from genvlkt_mmdet.evaluation.io import read_results
from genvlkt_mmdet.structures import GroundTruth, Triplets
from tests.mutations import error_of, mutations, texts

BOX = [5.0, 5.0, 30.0, 40.0]
IMAGES = [
    dict(
        file_name=name,
        img_id=i,
        eval_gt=GroundTruth(Triplets.of_image(np.array([BOX]), np.array([BOX]), np.array([152])), np.array([152])),
    )
    for i, name in enumerate(('a.png', 'b.png'))
]
RESULTS = [
    dict(file_name='a.png', human_boxes=[BOX], object_boxes=[BOX], labels=[152], scores=[0.5]),
    dict(file_name='b.png', human_boxes=[BOX], object_boxes=[BOX], labels=[7], scores=[0.25]),
]


def evaluated(path, vocabulary='hico', images=IMAGES):
    """What tools/eval_results.py does with detections."""
    return lambda: evaluate_detections(load_detections(path, images, vocabulary), images, vocabulary)


@pytest.mark.parametrize('kind', ['hico', 'may lack object'])
def test_results_file(tmp_path, kind):
    path = tmp_path / 'results.json'
    path.write_text(json.dumps(RESULTS))
    read = evaluated(path) if kind == 'hico' else lambda: read_results(path, IMAGES, 600, may_lack_object=True)
    read()
    for what, damaged in [*mutations(RESULTS), *texts(RESULTS)]:
        path.write_bytes(damaged if isinstance(damaged, bytes) else json.dumps(damaged).encode())
        error_of(read, ['results.json'], what)


@pytest.mark.parametrize('more', ['[]', 'x', '\n[{"file_name": "b.png"}]'])
def test_nothing_follows_the_list(tmp_path, more):
    path = tmp_path / 'results.json'
    path.write_text(json.dumps(RESULTS) + more)
    with pytest.raises(ValueError, match=r"results\.json' goes on after the end of its list"):
        load_detections(path, IMAGES, 'hico')


def test_numbers_too_large_name_the_image(tmp_path):
    path = tmp_path / 'results.json'
    path.write_text(json.dumps([{**RESULTS[0], 'scores': [10**400]}]))
    with pytest.raises(ValueError, match=r"results\.json', image 'a\.png': `scores` must be numbers\.$"):
        load_detections(path, IMAGES, 'hico')


def test_pickle(tmp_path, vcoco_fixture):
    path, images = tmp_path / 'dets.pkl', vcoco_fixture.images[:3]
    people = [person for person in vcoco_fixture.people if person['image_id'] == vcoco_fixture.people[0]['image_id']][
        :2
    ]
    read = evaluated(path, 'vcoco', images)
    content = pickle.dumps(people)
    path.write_bytes(content)
    read()
    changed = {key: people[0][key] for key in ('image_id', 'person_box', 'hold_obj', 'hold_agent')}
    rest = {key: value for key, value in people[0].items() if key not in changed}
    for what, damaged in mutations([changed]):
        if damaged and isinstance(damaged, list) and damaged[0] and isinstance(damaged[0], dict):
            damaged = [{**rest, **damaged[0]}, *people[1:]]
        path.write_bytes(pickle.dumps(damaged))
        error_of(read, ['dets.pkl'], what)
    for end in range(0, len(content), 97):
        path.write_bytes(content[:end])
        assert error_of(read, ['dets.pkl'], f'{end} bytes')


@pytest.mark.parametrize(
    'change, message',
    [
        (dict(image_id=0.5), 'person 0: `image_id` must be a whole number, not 0.5'),
        (dict(image_id='7'), "person 0: `image_id` must be a whole number, not '7'"),
        (dict(person_box=3.0), r'`person_box` must be 4 number\(s\), not 3.0'),
        (dict(hold_obj=[0, 0, 9, 9, float('inf')]), r'`hold_obj` must be 5 number\(s\)'),
        (dict(hold_agent=1e300), r'`hold_agent` must be 1 number\(s\), not 1e\+300'),
    ],
)
def test_wrong_values_in_a_pickle(tmp_path, vcoco_fixture, change, message):
    path = tmp_path / 'dets.pkl'
    path.write_bytes(pickle.dumps([{**vcoco_fixture.people[0], **change}]))
    with pytest.raises(ValueError, match=rf"dets\.pkl', .*{message}"):
        load_detections(path, vcoco_fixture.images, 'vcoco')


def test_mats(tmp_path, monkeypatch):
    def in_this_process(files, *options):  # a child for each of the 150 files would take minutes
        return (mat_child.read_variables(file, *options) for file in files)

    monkeypatch.setattr(mat_file, '_answers', in_this_process)
    path, read = tmp_path / 'detections_02.mat', evaluated(tmp_path)

    def write(cell, key='all_boxes'):
        cells = np.empty((14, len(IMAGES)), dtype=object)
        cells.fill(np.zeros((0, 9)))
        cells[3, 1] = cell
        savemat(path, {key: cells}, do_compression=True)

    row = np.array([[*BOX, *BOX, 0.5]])
    write(row)
    read()
    content = path.read_bytes()
    for end in range(0, len(content), 97):
        path.write_bytes(content[:end])
        error_of(read, ['detections_02.mat'], f'{end} bytes')
    for place in range(0, len(content), 3):
        path.write_bytes(content[:place] + bytes([content[place] ^ 0x55]) + content[place + 1 :])
        error_of(read, ['detections_02.mat'], f'byte {place}')
    for cell in (
        row[0],
        row[:, :8],
        row * np.nan,
        row * 1e305,
        row * 1j,
        'text',
        dict(a=row),
        [[row]],
        row[None, None],
    ):
        write(cell)
        error_of(read, ['detections_02.mat'], repr(cell))
    for cell in ('text', dict(a=row), row * 1j):
        write(cell)
        with pytest.raises(ValueError, match=r"class 13, image 'b\.png': a cell must hold rows of nine finite numbers"):
            read()
    for value in (3.0, 'text', dict(a=3), np.zeros((14, 2)), csc_matrix(np.eye(3))):
        savemat(path, dict(all_boxes=value))
        assert error_of(read, ['detections_02.mat'], repr(value))
    path.unlink()
    path.mkdir()
    assert error_of(read, ['detections_02.mat'], 'folder')
