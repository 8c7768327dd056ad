from .attention import FusedMultiheadAttention, recorded_weights
from .classifier import LinearClassifier, TextClassifier, TextVerbClassifier, extend_classifiers
from .transformer import FusionDecoder, GuidedDecoder, HOIDecoderLayer, HOIEncoderLayer, HOITransformerEncoder

__all__ = [
    'FusedMultiheadAttention',
    'FusionDecoder',
    'GuidedDecoder',
    'HOIDecoderLayer',
    'HOIEncoderLayer',
    'HOITransformerEncoder',
    'LinearClassifier',
    'TextClassifier',
    'TextVerbClassifier',
    'extend_classifiers',
    'recorded_weights',
]
