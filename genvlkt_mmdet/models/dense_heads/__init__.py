from .ablation_heads import LearnedInteractionGENHead, SharedQueryGENHead, VerbGENHead
from .gen_head import GENHead

__all__ = ['GENHead', 'LearnedInteractionGENHead', 'SharedQueryGENHead', 'VerbGENHead']
