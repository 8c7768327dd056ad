"""The one door to the fixtures that stand beside the repository."""

import os
from pathlib import Path

import pytest

SHARED = Path(os.environ.get('GENVLKT_SHARED', Path(__file__).resolve().parents[2] / 'shared'))


def shared_path(*parts: str) -> Path:
    """Path of a fixture; skips the test, loudly, where the folder is absent, and fails it where CI is set.

    Args:
        *parts (str): Path below the shared folder, e.g. ``'reference', 'fill.py'``.

    Returns:
        Path: The existing path.
    """
    path = SHARED.joinpath(*parts)
    if not path.exists():
        message = (
            f'fixture {"/".join(parts)} is absent: put the shared folder beside the repository or set GENVLKT_SHARED'
        )
        if os.environ.get('CI', '').lower() == 'true':
            pytest.fail(message)
        pytest.skip(message)
    return path
