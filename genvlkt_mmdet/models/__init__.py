from .data_preprocessor import HOIDataPreprocessor
from .dense_heads import FrozenEncoderHead, GENHead, HOICLIPHead, VerbGENHead
from .detectors import GENVLKT, HOITTAModel
from .layers import LinearClassifier, TextClassifier, TextVerbClassifier
from .losses import HOIFocalLoss, VLKTLoss
from .optimization import optimize_for_inference
from .task_modules import CLIPPrior, HOIHungarianAssigner, HOITripletNMS, TopHOITriplets, VerbHOITriplets

__all__ = [
    'CLIPPrior',
    'FrozenEncoderHead',
    'GENHead',
    'GENVLKT',
    'HOICLIPHead',
    'HOIDataPreprocessor',
    'HOIFocalLoss',
    'HOIHungarianAssigner',
    'HOITTAModel',
    'LinearClassifier',
    'TextClassifier',
    'TextVerbClassifier',
    'TopHOITriplets',
    'HOITripletNMS',
    'VLKTLoss',
    'VerbGENHead',
    'VerbHOITriplets',
    'optimize_for_inference',
]
