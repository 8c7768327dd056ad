from .clip_image import MakeCLIPImage
from .color_jitter import HOIColorJitter
from .corruption import HOICorrupt
from .formatting import PackHOIInputs
from .loading import LoadHOIAnnotations, LoadHOIImage
from .resize import HOIResizeShortSide

__all__ = [
    'HOIColorJitter',
    'HOICorrupt',
    'LoadHOIAnnotations',
    'LoadHOIImage',
    'MakeCLIPImage',
    'PackHOIInputs',
    'HOIResizeShortSide',
]
