"""What makes mmdet 3.3 and mmengine 0.10 run on current torch, in one place."""

import importlib.util
import sys
from importlib.machinery import ModuleSpec
from types import ModuleType


class _MissingOps(ModuleType):
    """Stands in for the compiled ``mmcv._ext`` when mmcv-lite is installed."""

    def __getattr__(self, name: str):
        if name.startswith('__'):
            raise AttributeError(name)

        def missing(*args, **kwargs):
            raise RuntimeError(
                f'mmcv op "{name}" needs the compiled mmcv; mmcv-lite is installed. Install the full mmcv.'
            )

        missing.__name__ = name
        return missing


def install_ops_stand_in() -> bool:
    if importlib.util.find_spec('mmcv') is None or importlib.util.find_spec('mmcv._ext') is not None:
        return False
    module = _MissingOps('mmcv._ext')
    module.__spec__ = ModuleSpec('mmcv._ext', loader=None)
    sys.modules['mmcv._ext'] = module
    return True


install_ops_stand_in()
