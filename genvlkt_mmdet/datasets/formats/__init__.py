"""Readers of the annotation files that users have; every one returns the records of :mod:`.records`."""

from .reader import detect_family, read_annotations

__all__ = ['detect_family', 'read_annotations']
