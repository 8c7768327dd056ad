from .detr import DETRTransfer, convert_detr, load_detr, read_detr
from .files import CheckpointError, is_intact, load_checkpoint, load_strictly, save_checkpoint, weights_of
from .names import current_name
from .official import (
    Recognised,
    convert_official,
    genvlkt_to_official,
    official_name,
    official_to_genvlkt,
    recognise,
    revert_official,
)

__all__ = [
    'CheckpointError',
    'DETRTransfer',
    'Recognised',
    'convert_detr',
    'convert_official',
    'current_name',
    'genvlkt_to_official',
    'is_intact',
    'load_checkpoint',
    'load_detr',
    'load_strictly',
    'official_name',
    'official_to_genvlkt',
    'read_detr',
    'recognise',
    'revert_official',
    'save_checkpoint',
    'weights_of',
]
