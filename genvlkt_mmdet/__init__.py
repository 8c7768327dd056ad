"""GEN-VLKT as a plugin of MMDetection: importing the package registers its parts in mmdet's registries."""

# ruff: noqa: I001  (compat makes the imports below possible, so it comes first)
from . import compat
from .version import __version__

from importlib import import_module
from importlib.util import find_spec

for _name in ('structures', 'datasets', 'models', 'evaluation', 'visualization', 'engine', 'apis'):
    if find_spec(f'{__name__}.{_name}') is not None:
        try:
            import_module(f'{__name__}.{_name}')
        except Exception as error:
            print(f'genvlkt_mmdet.{_name} is not complete yet: {error}')

__all__ = ['__version__', 'compat']
