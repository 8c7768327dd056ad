from .gen_vlkt import GENVLKT
from .hoi_tta import HOITTAModel

__all__ = ['GENVLKT', 'HOITTAModel']
