from .detr import DETRReport, convert_detr, load_detr, read_detr
from .files import CheckpointError, is_intact, load_checkpoint, save_checkpoint, weights_of
from .official import (
    Recognised,
    convert_official,
    genvlkt_to_official,
    load_strictly,
    official_to_genvlkt,
    recognise,
    revert_official,
)

__all__ = [
    'CheckpointError',
    'DETRReport',
    'Recognised',
    'convert_detr',
    'convert_official',
    'genvlkt_to_official',
    'is_intact',
    'load_checkpoint',
    'load_detr',
    'load_strictly',
    'official_to_genvlkt',
    'read_detr',
    'recognise',
    'revert_official',
    'save_checkpoint',
    'weights_of',
]
