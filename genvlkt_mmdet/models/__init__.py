from .data_preprocessor import HOIDataPreprocessor
from .dense_heads import GENHead, VerbGENHead
from .detectors import GENVLKT, HOITTAModel
from .layers import LinearClassifier, TextClassifier
from .losses import HOIFocalLoss, VLKTLoss
from .optimization import optimize_for_inference
from .task_modules import HOIHungarianAssigner, HOITripletNMS, TopHOITriplets, VerbHOITriplets

__all__ = [
    'GENHead',
    'GENVLKT',
    'HOIDataPreprocessor',
    'HOIFocalLoss',
    'HOIHungarianAssigner',
    'HOITTAModel',
    'LinearClassifier',
    'TextClassifier',
    'TopHOITriplets',
    'HOITripletNMS',
    'VLKTLoss',
    'VerbGENHead',
    'VerbHOITriplets',
    'optimize_for_inference',
]
