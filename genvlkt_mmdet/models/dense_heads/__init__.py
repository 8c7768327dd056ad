from .gen_head import GENHead
from .verb_gen_head import VerbGENHead

__all__ = ['GENHead', 'VerbGENHead']
