from .clip_image import MakeCLIPImage
from .color_jitter import HOIColorJitter
from .formatting import PackHOIInputs
from .loading import LoadHOIAnnotations, LoadHOIImage
from .resize import HOIResizeShortSide

__all__ = [
    'HOIColorJitter',
    'LoadHOIAnnotations',
    'LoadHOIImage',
    'MakeCLIPImage',
    'PackHOIInputs',
    'HOIResizeShortSide',
]
