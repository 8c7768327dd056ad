"""Makes mmdet 3.3 and mmengine 0.10 run with a current torch.

``import genvlkt_mmdet`` imports this module first. It changes one thing in the process: with ``mmcv-lite``, the compiled module
``mmcv._ext`` is missing and ``import mmdet.models`` fails, although GEN-VLKT calls no compiled operator. A stub replaces it. Its
operators raise a clear error when they are called. With the full ``mmcv``, nothing is replaced.

:func:`checkpoint_globals` lists the classes of mmengine's checkpoints that torch's safe loading must allow. They are allowed only
while a checkpoint is read, see :mod:`genvlkt_mmdet.converters.files`.
"""

import importlib.util
import pickle
import sys
from argparse import Namespace
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

_OPS_MODULE = 'mmcv._ext'

_NO_MMCV = (
    'No mmcv is installed, and MMDetection needs one flavour of it: install the extra genvlkt[lite] (mmcv-lite: no compiler, '
    'enough for GEN-VLKT) or genvlkt[full] (mmcv with its compiled operators).'
)


class MissingOps(ModuleType):
    """Replaces the compiled ``mmcv._ext``. Every attribute is a function that raises a clear error when it is called."""

    def __getattr__(self, name: str) -> Callable[..., NoReturn]:
        """Makes the operator ``name``. Names with double underscores are unknown, as for any module."""
        if name.startswith('__'):
            raise AttributeError(f'module {self.__name__!r} has no attribute {name!r}')

        if name in ('get_compiler_version', 'get_compiling_cuda_version'):
            return lambda: 'n/a'  # as mmcv's collect_env() without operators

        def missing(*args: Any, **kwargs: Any) -> NoReturn:
            raise RuntimeError(
                f'The mmcv operator "{name}" needs the full, compiled mmcv, but mmcv-lite is installed: uninstall it and '
                f'install the extra genvlkt[full].'
            )

        missing.__name__ = missing.__qualname__ = name
        return missing


def install_ops_stand_in() -> bool:
    """Registers :class:`MissingOps` as ``mmcv._ext`` if there is no compiled one. Returns whether it did.

    Raises:
        ImportError: If no version of mmcv is installed. The message says which extra to choose.
    """
    if importlib.util.find_spec('mmcv') is None:
        raise ImportError(_NO_MMCV)
    if _OPS_MODULE in sys.modules or importlib.util.find_spec(_OPS_MODULE) is not None:
        return False
    module = MissingOps(_OPS_MODULE)
    # mmengine asks the import system whether the operators exist, and that needs a spec.
    module.__spec__ = ModuleSpec(_OPS_MODULE, loader=None)
    sys.modules[_OPS_MODULE] = module
    return True


def history_statistic(owner: type, name: str) -> Callable[..., Any]:
    """Replaces ``getattr`` in checkpoints, for the four statistics of a ``HistoryBuffer`` only.

    A pickled log history refers to its methods as ``getattr(HistoryBuffer, 'mean')``. ``getattr`` itself would give a malicious
    file access to every attribute of every object, so safe loading uses this function instead.

    Raises:
        pickle.UnpicklingError: If the file asks for anything else.
    """
    from mmengine.logging import HistoryBuffer

    if owner is not HistoryBuffer or name not in ('min', 'max', 'current', 'mean'):
        raise pickle.UnpicklingError(
            f'The checkpoint asks for the attribute {name!r} of {owner!r}, which no mmengine checkpoint needs: it is refused.'
        )
    return getattr(HistoryBuffer, name)


def checkpoint_globals() -> list[Any]:
    """Lists the globals in mmengine's checkpoints that torch's safe loading must allow.

    All of them are only data: log histories of the message hub (:class:`mmengine.logging.HistoryBuffer`), the numpy arrays and
    scalars in them, with the names of numpy 1 and numpy 2, and the arguments (with paths) that training scripts of DETR and its
    successors store with the weights.

    Returns:
        list: Entries for :class:`torch.serialization.safe_globals`.
    """
    import numpy as np
    from mmengine.logging import HistoryBuffer

    array = np.empty(0)
    reconstruct = array.__reduce__()[0]
    scalar = np.float64(0).__reduce__()[0]
    found: list[Any] = [HistoryBuffer, np.ndarray, np.dtype, (history_statistic, 'builtins.getattr')]
    for module in ('numpy.core.multiarray', 'numpy._core.multiarray'):
        found += [(reconstruct, f'{module}._reconstruct'), (scalar, f'{module}.scalar')]
    kinds = ('bool', 'uint8', 'int8', 'int16', 'int32', 'int64', 'float16', 'float32', 'float64')
    found += [type(np.dtype(kind)) for kind in kinds]
    found += [Namespace, type(Path()), (type(Path()), 'pathlib.PosixPath'), (type(Path()), 'pathlib._local.PosixPath')]
    return found


install_ops_stand_in()
