from .detr import DETRReport, convert_detr, load_detr
from .files import load_checkpoint, weights_of
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
    'DETRReport',
    'Recognised',
    'convert_detr',
    'convert_official',
    'genvlkt_to_official',
    'load_checkpoint',
    'load_detr',
    'load_strictly',
    'official_to_genvlkt',
    'recognise',
    'revert_official',
    'weights_of',
]
