"""Results files: ours, and the official formats."""

from .results_file import write_results

__all__ = ['write_results']
