from .frozen_encoder_head import FrozenEncoderHead
from .gen_head import GENHead
from .hoiclip_head import HOICLIPHead
from .verb_gen_head import VerbGENHead

__all__ = ['FrozenEncoderHead', 'GENHead', 'HOICLIPHead', 'VerbGENHead']
