from .attention import FusedMultiheadAttention, recorded_weights
from .classifier import LinearClassifier, TextClassifier, extend_classifiers
from .transformer import GuidedDecoder, HOIDecoderLayer, HOIEncoderLayer, HOITransformerEncoder

__all__ = [
    'FusedMultiheadAttention',
    'GuidedDecoder',
    'HOIDecoderLayer',
    'HOIEncoderLayer',
    'HOITransformerEncoder',
    'LinearClassifier',
    'TextClassifier',
    'extend_classifiers',
    'recorded_weights',
]
