"""Batch jobs over any number of images: one row per image in Parquet files, resumed after an interruption."""

from .job import Summary, detect_rows

__all__ = ['Summary', 'detect_rows']
