from .attention import FusedMultiheadAttention, recorded_weights
from .classifier import LinearClassifier, TextClassifier, extend_classifiers
from .denoising import NoisyPairs, PairDenoising
from .transformer import GuidedDecoder, HOIDecoderLayer, HOIEncoderLayer, HOITransformerEncoder

__all__ = [
    'FusedMultiheadAttention',
    'GuidedDecoder',
    'HOIDecoderLayer',
    'HOIEncoderLayer',
    'HOITransformerEncoder',
    'LinearClassifier',
    'NoisyPairs',
    'PairDenoising',
    'TextClassifier',
    'extend_classifiers',
    'recorded_weights',
]
