"""GEN-VLKT as a plugin of MMDetection: importing the package registers its parts in mmdet's registries."""

# First: it makes the imports of mmdet below possible.
from . import compat

# isort: split
from . import apis, assets, datasets, engine, evaluation, models, structures, visualization
from .version import __version__

__all__ = [
    '__version__',
    'apis',
    'assets',
    'compat',
    'datasets',
    'engine',
    'evaluation',
    'models',
    'structures',
    'visualization',
]
