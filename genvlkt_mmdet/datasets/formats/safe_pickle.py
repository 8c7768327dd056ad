"""Restricted unpickler for untrusted files: plain containers and numpy arrays only."""

import io
import pickle
from pathlib import Path
from typing import Any

import numpy as np

_NUMPY_MODULES = ('numpy.core.multiarray', 'numpy._core.multiarray', 'numpy.core.numeric', 'numpy._core.numeric')
_NUMPY_NAMES = ('_reconstruct', 'scalar', '_frombuffer')


def _latin1_bytes(text: str, encoding: str) -> bytes:
    """Replaces ``_codecs.encode``, which pickles of protocol 2 and lower call for bytes."""
    if encoding != 'latin1':
        raise pickle.UnpicklingError(f"encoding '{encoding}' is not admitted")
    return text.encode('latin1')


class NumpyUnpickler(pickle.Unpickler):
    """Unpickler that refuses everything but plain containers and numpy arrays."""

    def find_class(self, module: str, name: str) -> Any:  # noqa: D102
        if module == 'numpy' and name in ('ndarray', 'dtype'):
            return getattr(np, name)
        if module in _NUMPY_MODULES and name in _NUMPY_NAMES:
            # numpy 2 renamed numpy.core. The file can have either name, with either version of numpy installed
            package = np._core if hasattr(np, '_core') else np.core
            return getattr(getattr(package, module.rsplit('.', 1)[1]), name)
        if (module, name) == ('_codecs', 'encode'):
            return _latin1_bytes
        raise pickle.UnpicklingError(f"it names '{module}.{name}'")


def load_numpy_pickle(path: str | Path) -> Any:
    """Loads a pickle that contains only plain containers, numbers, strings and numpy arrays.

    Args:
        path (str | Path): The file. Pickles of Python 2 are supported.

    Returns:
        Any: The content.

    Raises:
        OSError: If the file cannot be read.
        ValueError: If the file names any other class or function, which unpickling would call, or is damaged.
    """
    try:
        return NumpyUnpickler(io.BytesIO(Path(path).read_bytes()), encoding='latin1').load()
    except pickle.UnpicklingError as error:
        raise ValueError(
            f"'{path}' is refused: {error}, and only pickles of plain containers and numpy arrays are read."
        ) from None
    except OSError:
        raise
    except Exception as error:  # a damaged pickle fails in many ways
        raise ValueError(f"'{path}' is no readable pickle ({type(error).__name__}); get it again.") from None
