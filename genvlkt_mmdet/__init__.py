"""GEN-VLKT as a plugin of MMDetection: importing the package registers its parts in mmdet's registries."""

# First: it makes the imports of mmdet below possible.
from . import compat

# isort: split
from . import (
    apis,
    assets,
    converters,
    datasets,
    engine,
    evaluation,
    minihoi,
    models,
    structures,
    visualization,
    vocabulary,
)
from .version import __version__

__all__ = [
    '__version__',
    'apis',
    'assets',
    'compat',
    'converters',
    'datasets',
    'engine',
    'evaluation',
    'minihoi',
    'models',
    'structures',
    'visualization',
    'vocabulary',
]
