from .gen_vlkt import GENVLKT

__all__ = ['GENVLKT']
