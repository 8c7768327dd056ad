"""What makes mmdet 3.3 and mmengine 0.10 run on current torch, in one place.

Importing this module, which ``import genvlkt_mmdet`` does before anything else, changes one thing in the process: with
``mmcv-lite`` the compiled module ``mmcv._ext`` is absent and ``import mmdet.models`` fails, although GEN-VLKT calls no compiled
operator. A stand-in takes its place whose every operator raises a clear error when it is called. With the full ``mmcv``
nothing is replaced.

It also knows which classes of mmengine's checkpoints torch's safe loading has to be told about (:func:`checkpoint_globals`). They
are allowed only while a checkpoint is read, see :mod:`genvlkt_mmdet.converters.files`.
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
    """Stands in for the compiled ``mmcv._ext``: every attribute is a function that says what is missing when called."""

    def __getattr__(self, name: str) -> Callable[..., NoReturn]:
        """Makes the operator ``name``; names with double underscores stay unknown, as for any module."""
        if name.startswith('__'):
            raise AttributeError(f'module {self.__name__!r} has no attribute {name!r}')

        if name in ('get_compiler_version', 'get_compiling_cuda_version'):
            return lambda: 'n/a'  # what mmcv's collect_env() says itself where there are no operators

        def missing(*args: Any, **kwargs: Any) -> NoReturn:
            raise RuntimeError(
                f'The mmcv operator "{name}" needs the full, compiled mmcv, but mmcv-lite is installed: uninstall it and '
                f'install the extra genvlkt[full].'
            )

        missing.__name__ = missing.__qualname__ = name
        return missing


def install_ops_stand_in() -> bool:
    """Registers :class:`MissingOps` as ``mmcv._ext`` when, and only when, there is no compiled one.

    Returns:
        bool: Whether the stand-in was put in place by this call.

    Raises:
        ImportError: If no flavour of mmcv is installed; the message says which extra to choose.
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
    """The one use of ``getattr`` that a checkpoint needs: the four statistics of a ``HistoryBuffer``.

    A pickled log history names its methods as ``getattr(HistoryBuffer, 'mean')``. To allow ``getattr`` itself would open every
    attribute of everything to a malicious file, so safe loading finds this function in its place.

    Args:
        owner (type): What the file wants an attribute of.
        name (str): The attribute's name.

    Returns:
        Callable: The method of :class:`mmengine.logging.HistoryBuffer`.

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
    """The globals of mmengine's checkpoints that torch's safe loading has to be told about.

    All of them only hold data: log histories of the message hub (:class:`mmengine.logging.HistoryBuffer`), the numpy arrays and
    scalars in them, under the names that numpy 1 and numpy 2 write, and the arguments (with paths) that training scripts of
    DETR's family put beside the weights.

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
