"""The fixtures of the tests: all in the repository, and small."""

import pytest

from tests.shared import DATA, shared_path


def test_a_missing_fixture_fails_the_test():
    with pytest.raises(FileNotFoundError, match=r"none.json' is missing: the fixtures are part of the repository"):
        shared_path('reference', 'none.json')


def test_packed_files_are_unpacked_under_their_own_name():
    path = shared_path('annotations', 'hico_det_test.json')
    assert path.name == 'hico_det_test.json' and path.stat().st_size == 3_358_130
    assert shared_path('annotations', 'hico_det_test.json') == path


def test_files_are_small():
    sizes = {path.name: path.stat().st_size for path in DATA.rglob('*') if path.is_file()}
    assert max(sizes.values()) < 2 * 2**20 and sum(sizes.values()) < 12 * 2**20
