"""Reads Matlab files in a child process, because scipy can crash on a damaged one and would take this process with it."""

import json
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from .safe_pickle import NumpyUnpickler

MAX_MEMORY = 8 * 2**30
"""Bytes of address space that the child process may use, where the system can limit it."""

# The child imports scipy and nothing of this package: that takes a fraction of a second.
_CHILD = """
import json, pickle, sys
sys.path[:], files, name, simplify, limit = json.loads(sys.argv[1])
from scipy.io import loadmat
try:
    import resource
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
except (ImportError, ValueError):
    pass
for file in files:
    try:
        content = loadmat(file, simplify_cells=simplify, variable_names=[name])
        answer = ('value', content[name]) if name in content else ('absent', None)
    except Exception as error:
        answer = ('error', type(error).__name__)
    pickle.dump(answer, sys.stdout.buffer, 5)
    sys.stdout.buffer.flush()
"""


def is_mat_file(path: str | Path) -> bool:
    """Whether a file is a Matlab file, by its first bytes."""
    with open(path, 'rb') as file:
        return file.read(6) == b'MATLAB'


def load_mat(files: Iterable[str | Path], name: str, simplify: bool = False) -> Iterator[Any]:
    """Reads a variable from each of several Matlab files.

    Args:
        files (Iterable[str | Path]): The files.
        name (str): Name of the variable.
        simplify (bool): Whether structs become dicts and cells become lists, see ``simplify_cells`` of
            :func:`scipy.io.loadmat`. Default: False.

    Yields:
        Any: Value of the variable in the next file.

    Raises:
        OSError: If a file cannot be opened.
        ValueError: If a file is not a Matlab file, is damaged, needs more than :data:`MAX_MEMORY` or lacks the variable.
            The message names the file.
    """
    files = [str(file) for file in files]
    for file in files:
        if not Path(file).is_file() or not is_mat_file(file):
            raise ValueError(f"'{file}' is no Matlab file; download or write it again.")
    # -I: the child finds exactly the modules that this process finds.
    command = [sys.executable, '-I', '-c', _CHILD, json.dumps([sys.path, files, name, simplify, MAX_MEMORY])]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as child:
        try:
            for file in files:
                try:
                    kind, value = NumpyUnpickler(child.stdout).load()
                except EOFError:
                    kind, value = 'error', 'reading it crashed'
                except Exception:  # a crash in the middle of the answer, or the file holds Matlab objects or functions
                    kind, value = 'error', 'reading it failed'
                if kind == 'value':
                    yield value
                elif kind == 'absent':
                    raise ValueError(f"'{file}' holds no variable '{name}': it is another Matlab file than expected.")
                elif value == 'NotImplementedError':
                    raise ValueError(f"'{file}' is of Matlab's version 7.3; save it with -v7.")
                else:
                    raise ValueError(f"'{file}' is no readable Matlab file ({value}); download or write it again.")
        finally:
            child.kill()
