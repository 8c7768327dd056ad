"""Readers for the supported annotation formats.

Every reader returns records. A record is one dict per image in the layout of the documented JSON (docs/datasets.md), with
0-based xyxy boxes and the ids of the vocabulary.
"""

from .convert import convert_hico, convert_vcoco
from .hico_release import read_hico_release
from .json_file import load_json, write_annotations
from .merge import merge_boxes, merge_record
from .reader import detect_family, read_annotations
from .safe_pickle import load_numpy_pickle
from .vsrl import read_vsrl

__all__ = [
    'convert_hico',
    'convert_vcoco',
    'detect_family',
    'load_json',
    'load_numpy_pickle',
    'merge_boxes',
    'merge_record',
    'read_annotations',
    'read_hico_release',
    'read_vsrl',
    'write_annotations',
]
