from .clip_image import MakeCLIPImage
from .color_jitter import ColorJitter
from .formatting import PackHOIInputs
from .loading import LoadHOIAnnotations, LoadHOIImage
from .resize import ResizeShortSide

__all__ = ['ColorJitter', 'LoadHOIAnnotations', 'LoadHOIImage', 'MakeCLIPImage', 'PackHOIInputs', 'ResizeShortSide']
