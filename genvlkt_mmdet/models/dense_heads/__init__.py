from .gen_head import GENHead

__all__ = ['GENHead']
