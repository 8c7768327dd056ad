from .attention import FusedMultiheadAttention
from .classifier import CosineClassifier, LinearClassifier
from .transformer import GuidedDecoder, HOIDecoderLayer, HOIEncoderLayer, HOITransformerEncoder

__all__ = [
    'CosineClassifier',
    'FusedMultiheadAttention',
    'GuidedDecoder',
    'HOIDecoderLayer',
    'HOIEncoderLayer',
    'HOITransformerEncoder',
    'LinearClassifier',
]
