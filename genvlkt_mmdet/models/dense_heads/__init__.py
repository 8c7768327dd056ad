from .ablation_heads import LearnedInteractionGENHead, RandomTextGENHead, SharedQueryGENHead, VerbGENHead
from .gen_head import GENHead

__all__ = ['GENHead', 'LearnedInteractionGENHead', 'RandomTextGENHead', 'SharedQueryGENHead', 'VerbGENHead']
