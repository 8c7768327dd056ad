"""What several tests need: the files of ``tests/data`` and a small vocabulary."""

import atexit
import functools
import lzma
import shutil
import tempfile
from pathlib import Path

import numpy as np

from genvlkt_mmdet.structures import GroundTruth

DATA = Path(__file__).parent / 'data'

# Three objects, two verbs, five HOI classes.
HICO_LIKE = dict(
    name='toy',
    objects=[dict(id=1, name='person'), dict(id=5, name='cup'), dict(id=9, name='horse')],
    verbs=[dict(id=1, name='hold', phrase='holding'), dict(id=4, name='ride', phrase='riding')],
    hois=[
        dict(id=11, verb=0, object=1, prompt='a photo of a person holding a cup'),
        dict(id=12, verb=0, object=2, prompt='a photo of a person holding a horse'),
        dict(id=13, verb=1, object=2, prompt='a photo of a person riding a horse'),
        dict(id=14, verb=0, object=0, prompt='a photo of a person holding a person'),
        dict(id=15, verb=1, object=0, prompt='a photo of a person riding a person'),
    ],
    object_prompts=['a person', 'a cup', 'a horse', 'nothing'],
    splits=dict(some=[1, 3]),
    rare=[3],
)


@functools.cache
def _unpacked() -> Path:
    """A folder of this process for unpacked files."""
    folder = tempfile.mkdtemp(prefix='genvlkt-tests-')
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)


def shared_path(*parts: str) -> Path:
    """Path of a fixture file. What is packed with xz is unpacked first, once per process.

    Args:
        *parts (str): Path below ``tests/data``, e.g. ``'reference', 'tables.json'``.

    Returns:
        Path: The existing file, under its own name.

    Raises:
        FileNotFoundError: If the repository lacks the file.
    """
    path = DATA.joinpath(*parts)
    if path.is_file():
        return path
    packed = path.with_name(f'{path.name}.xz')
    unpacked = _unpacked().joinpath(*parts)
    if not unpacked.exists():
        if not packed.is_file():
            raise FileNotFoundError(
                f"'{path}' is missing: the fixtures are part of the repository, restore them with git."
            )
        unpacked.parent.mkdir(parents=True, exist_ok=True)
        unpacked.write_bytes(lzma.decompress(packed.read_bytes()))
    return unpacked


def assert_same_ground_truth(one: GroundTruth, other: GroundTruth) -> None:
    """Compares the annotations of an image that two files give."""
    for a, b in ((one.triplets, other.triplets), (one.persons, other.persons)):
        assert (a is None) == (b is None)
        for key in vars(a) if a is not None else ():
            np.testing.assert_array_equal(getattr(a, key), getattr(b, key))
    np.testing.assert_array_equal(one.image_hois, other.image_hois)
