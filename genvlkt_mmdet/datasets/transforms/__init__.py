from .clip_image import MakeCLIPImage
from .color_jitter import ColorJitter
from .formatting import PackHOIInputs
from .loading import LoadHOIAnnotations, LoadHOIImage

__all__ = ['ColorJitter', 'LoadHOIAnnotations', 'LoadHOIImage', 'MakeCLIPImage', 'PackHOIInputs']
