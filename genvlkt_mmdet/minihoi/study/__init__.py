from .reproduce import reproduce_ablation
from .tables import TABLES

__all__ = ['TABLES', 'reproduce_ablation']
