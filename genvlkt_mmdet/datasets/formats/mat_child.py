"""The child process of :mod:`.mat_file`. It imports scipy and nothing of this package, so it starts in a fraction of a second."""

import json
import pickle
import sys
from typing import Any


def read_variables(file: str, names: list[str], simplify: bool) -> tuple[str, Any]:
    """Reads variables, see :func:`.mat_file.load_mat`.

    Returns:
        tuple[str, Any]: ``'values'`` and name to value, ``'absent'`` and the name that the file lacks, or ``'error'`` and the
        name of the exception.
    """
    from scipy.io import loadmat  # found only with the paths that the parent sends

    try:
        content = loadmat(file, simplify_cells=simplify, variable_names=names)
    except Exception as error:  # a damaged file fails in many ways
        return 'error', type(error).__name__
    absent = [name for name in names if name not in content]
    return ('absent', absent[0]) if absent else ('values', {name: content[name] for name in names})


def main() -> None:
    """Writes the pickled answer for each file to the standard output."""
    sys.path[:], files, names, simplify, max_memory = json.loads(sys.argv[1])
    import scipy.io  # noqa: F401  (before the limit)

    try:
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (max_memory, max_memory))
    except (ImportError, ValueError):  # Windows, or a lower limit is set already
        pass
    for file in files:
        pickle.dump(read_variables(file, names, simplify), sys.stdout.buffer, pickle.HIGHEST_PROTOCOL)
        sys.stdout.buffer.flush()


if __name__ == '__main__':
    main()
