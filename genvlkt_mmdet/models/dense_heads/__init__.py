from .ablation_heads import RandomTextGENHead, VerbGENHead
from .gen_head import GENHead

__all__ = ['GENHead', 'RandomTextGENHead', 'VerbGENHead']
