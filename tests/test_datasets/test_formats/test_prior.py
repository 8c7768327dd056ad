import os
import pickle

import numpy as np
import pytest

from genvlkt_mmdet.datasets.formats import load_numpy_pickle, read_annotations, read_prior, verb_object_prior
from genvlkt_mmdet.datasets.vocabulary import load_vocabulary
from tests.shared import shared_path


def test_prior_of_toy_records(toy_records, toy_vocabulary):
    prior = verb_object_prior(toy_records, load_vocabulary(toy_vocabulary))
    assert prior.tolist() == [[0, 1, 1], [0, 0, 1]]  # hold: cup, horse; ride: horse


def test_prior_of_real_annotations_is_that_of_the_file():
    """UPT's file lists, for each action, the objects that occur with it in V-COCO's trainval set."""
    vocabulary = load_vocabulary('vcoco')
    path = shared_path('annotations', 'vcoco_trainval.json')
    records, _ = read_annotations(path, vocabulary)
    prior = verb_object_prior(records, vocabulary)
    assert prior.shape == (29, 80) and set(np.unique(prior)) == {0, 1}
    import json

    data = json.loads(path.read_text())
    for action, image_objects in enumerate(data['action_to_object']):
        verb = [n.replace('_', ' ') for n in vocabulary.verb_names].index(data['classes'][action].replace('_', ' '))
        ours = {vocabulary.object_names[k] for k in np.flatnonzero(prior[verb])}
        assert ours <= {data['objects'][k] for k in image_objects}


@pytest.mark.parametrize('protocol', range(pickle.HIGHEST_PROTOCOL + 1))
def test_pickles_of_arrays_are_read(tmp_path, toy_vocabulary, protocol):
    vocabulary = load_vocabulary(toy_vocabulary)
    prior = np.array([[0, 1, 1], [0, 0, 1.0]])
    by_name = dict(zip(vocabulary.object_names, prior.T, strict=True))
    by_index = dict(enumerate(prior.T))
    for content in (prior, list(prior.T), by_name, by_index):
        (tmp_path / 'prior.pickle').write_bytes(pickle.dumps(content, protocol=protocol))
        np.testing.assert_array_equal(read_prior(tmp_path / 'prior.pickle', vocabulary), prior)
    np.save(tmp_path / 'prior.npy', prior)
    np.testing.assert_array_equal(read_prior(tmp_path / 'prior.npy', vocabulary), prior)


class _Evil:
    def __reduce__(self):
        return os.system, ('touch /nowhere/at/all',)


@pytest.mark.parametrize('content', [_Evil(), [np.zeros(3), _Evil()], np.array([_Evil()], dtype=object), os.getcwd])
def test_anything_else_is_refused(tmp_path, content):
    (tmp_path / 'prior.pickle').write_bytes(pickle.dumps(content))
    with pytest.raises(ValueError, match=r"prior\.pickle' is refused: it names '(posix|nt)\..*only pickles of plain"):
        load_numpy_pickle(tmp_path / 'prior.pickle')


def test_python_2_pickle(tmp_path):
    """Strings of Python 2 are bytes to Python 3; protocol 0 text as Python 2 writes it."""
    (tmp_path / 'p.pickle').write_bytes(b"(dp0\nS'cup'\np1\nI3\ns.")
    assert load_numpy_pickle(tmp_path / 'p.pickle') == dict(cup=3)


def test_bad_priors(tmp_path, toy_vocabulary):
    vocabulary = load_vocabulary(toy_vocabulary)
    with pytest.raises(FileNotFoundError, match='is missing; make one with'):
        read_prior(tmp_path / 'none.npy', vocabulary)
    (tmp_path / 'short.pickle').write_bytes(pickle.dumps(np.zeros((2, 3)))[:-20])
    with pytest.raises(ValueError, match='is no readable pickle|is refused'):
        read_prior(tmp_path / 'short.pickle', vocabulary)
    np.save(tmp_path / 'wide.npy', np.zeros((2, 4)))
    with pytest.raises(ValueError, match=r"has shape \(2, 4\), but 'toy' needs \(verbs, objects\) = \(2, 3\)"):
        read_prior(tmp_path / 'wide.npy', vocabulary)
    (tmp_path / 'part.pickle').write_bytes(pickle.dumps(dict(person=np.zeros(2))))
    with pytest.raises(ValueError, match="lacks objects of 'toy', e.g. 'cup'"):
        read_prior(tmp_path / 'part.pickle', vocabulary)
