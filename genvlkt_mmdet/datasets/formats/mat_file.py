"""Reads Matlab files in a child process, because scipy can crash on a damaged one and would take this process with it."""

import json
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from . import mat_child
from .safe_pickle import NumpyUnpickler

MAX_MEMORY = 8 * 2**30
"""Bytes of address space that the child process may use, where the system can limit it."""


def is_mat_file(path: str | Path) -> bool:
    """Whether a file is a Matlab file, by its first bytes."""
    with open(path, 'rb') as file:
        return file.read(6) == b'MATLAB'


def load_mat(files: Iterable[str | Path], names: Sequence[str], simplify: bool = False) -> Iterator[dict[str, Any]]:
    """Reads the same variables of several Matlab files.

    Args:
        files (Iterable[str | Path]): The files.
        names (Sequence[str]): Names of the variables.
        simplify (bool): Whether structs become dicts and cells become lists, see ``simplify_cells`` of
            :func:`scipy.io.loadmat`. Default: False.

    Yields:
        dict[str, Any]: Name to value, for one file after the other.

    Raises:
        OSError: If a file cannot be opened.
        ValueError: If a file is not a Matlab file, is damaged, needs more than :data:`MAX_MEMORY` or lacks a variable.
            The message names the file.
    """
    files = [str(file) for file in files]
    for file in files:
        if not Path(file).is_file() or not is_mat_file(file):
            raise ValueError(f"'{file}' is no Matlab file; download or write it again.")
    for file, (kind, value) in zip(files, _answers(files, names, simplify), strict=True):
        if kind == 'absent':
            raise ValueError(f"'{file}' holds no variable '{value}': it is another Matlab file than expected.")
        if (kind, value) == ('error', 'NotImplementedError'):
            raise ValueError(f"'{file}' is of Matlab's version 7.3; save it with -v7.")
        if kind == 'error':
            raise ValueError(f"'{file}' is no readable Matlab file ({value}); download or write it again.")
        yield value


def _answers(files: Sequence[str], names: Sequence[str], simplify: bool) -> Iterator[tuple[str, Any]]:
    """Runs :mod:`.mat_child` for the files."""
    arguments = json.dumps([sys.path, files, names, simplify, MAX_MEMORY])
    command = [sys.executable, '-I', mat_child.__file__, arguments]
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as child:
        try:
            for _ in files:
                try:
                    yield NumpyUnpickler(child.stdout).load()
                except EOFError:
                    yield 'error', 'reading it crashed'
                except Exception:  # a crash in the middle of the answer, or the file holds Matlab objects or functions
                    yield 'error', 'reading it failed'
        finally:
            child.kill()
