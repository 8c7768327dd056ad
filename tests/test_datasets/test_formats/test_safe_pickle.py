import os
import pickle

import numpy as np
import pytest

from genvlkt_mmdet.datasets.formats import load_numpy_pickle


@pytest.mark.parametrize('protocol', range(pickle.HIGHEST_PROTOCOL + 1))
def test_plain_containers_and_arrays(tmp_path, protocol):
    content = [dict(name='cup', box=np.array([1.0, 2.5]), score=np.float32(0.5)), (1, None, True)]
    (tmp_path / 'p.pickle').write_bytes(pickle.dumps(content, protocol=protocol))
    loaded = load_numpy_pickle(tmp_path / 'p.pickle')
    assert loaded[0]['box'].tolist() == [1.0, 2.5] and loaded[0]['score'] == 0.5 and loaded[1] == (1, None, True)


class _Evil:
    def __reduce__(self):
        return os.system, ('touch /nowhere/at/all',)


@pytest.mark.parametrize('content', [_Evil(), [np.zeros(3), _Evil()], np.array([_Evil()], dtype=object), os.getcwd])
def test_anything_else_is_refused(tmp_path, content):
    (tmp_path / 'p.pickle').write_bytes(pickle.dumps(content))
    with pytest.raises(ValueError, match=r"p\.pickle' is refused: it names '(posix|nt)\..*only pickles of plain"):
        load_numpy_pickle(tmp_path / 'p.pickle')


def test_python_2_pickle(tmp_path):
    """Strings of Python 2 are bytes to Python 3; protocol 0 text as Python 2 writes it."""
    (tmp_path / 'p.pickle').write_bytes(b"(dp0\nS'cup'\np1\nI3\ns.")
    assert load_numpy_pickle(tmp_path / 'p.pickle') == dict(cup=3)


def test_truncated_pickle(tmp_path):
    (tmp_path / 'short.pickle').write_bytes(pickle.dumps(np.zeros((2, 3)))[:-20])
    with pytest.raises(ValueError, match='is no readable pickle|is refused'):
        load_numpy_pickle(tmp_path / 'short.pickle')
