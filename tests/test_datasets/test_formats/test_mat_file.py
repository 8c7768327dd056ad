import numpy as np
import pytest
from scipy.io import savemat

from genvlkt_mmdet.datasets.formats import mat_file
from genvlkt_mmdet.datasets.formats.mat_file import load_mat
from tests.test_datasets.test_formats.test_hico_release import struct


@pytest.fixture
def path(tmp_path):
    """An uncompressed file, in which scipy follows damaged numbers to wherever they point."""
    size = struct([dict(width=640.0, height=480.0)])
    savemat(tmp_path / 'a.mat', dict(bbox_test=struct([dict(filename='a.jpg', size=size)])))
    return tmp_path / 'a.mat'


def test_variables(path, tmp_path):
    (content,) = load_mat([path], ['bbox_test'], simplify=True)
    assert content['bbox_test'] == dict(filename='a.jpg', size=dict(width=640, height=480))
    files = [tmp_path / f'{i}.mat' for i in range(3)]
    for i, file in enumerate(files):
        savemat(file, dict(x=[i, 7], y=0))
    assert [content['x'].tolist() for content in load_mat(files, ['y', 'x'])] == [[[0, 7]], [[1, 7]], [[2, 7]]]


@pytest.mark.parametrize(('position', 'mask'), [(248, 0x01), (276, 0x10), (281, 0x80), (425, 0x80), (489, 0xFF)])
def test_a_flipped_byte_that_kills_scipy(path, position, mask):
    """With scipy 1.17 each is a segmentation fault or a bus error."""
    content = bytearray(path.read_bytes())
    content[position] ^= mask
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"a\.mat' is no readable Matlab file \(.*\); download or write it again\.$"):
        next(load_mat([path], ['bbox_test'], simplify=True))


def test_a_child_that_dies(path, tmp_path, monkeypatch):
    (tmp_path / 'child.py').write_text('import os; os.abort()')
    monkeypatch.setattr(mat_file.mat_child, '__file__', str(tmp_path / 'child.py'))
    with pytest.raises(ValueError, match=r"a\.mat' is no readable Matlab file \(reading it crashed\)"):
        next(load_mat([path], ['bbox_test']))


def test_memory_is_limited(tmp_path, monkeypatch):
    savemat(tmp_path / 'large.mat', dict(x=np.zeros(10**7)), do_compression=True)
    monkeypatch.setattr(mat_file, 'MAX_MEMORY', 10**6)  # less than the child has already: it gets no more
    with pytest.raises(ValueError, match=r"large\.mat' is no readable Matlab file \(MemoryError\)"):
        next(load_mat([tmp_path / 'large.mat'], ['x']))


def test_what_is_absent_or_of_another_kind(path, tmp_path):
    with pytest.raises(ValueError, match=r"a\.mat' holds no variable 'y'"):
        next(load_mat([path], ['y']))
    (tmp_path / 'text.mat').write_text('MATLAK')
    with pytest.raises(ValueError, match=r"text\.mat' is no Matlab file"):
        next(load_mat([tmp_path / 'text.mat'], ['y']))
    (tmp_path / 'new.mat').write_bytes(b'MATLAB 7.3 MAT-file'.ljust(124) + b'\x00\x02IM')
    with pytest.raises(ValueError, match=r"new\.mat' is of Matlab's version 7\.3; save it with -v7"):
        next(load_mat([tmp_path / 'new.mat'], ['y']))
