from .dense_heads import GENHead, RandomTextGENHead, VerbGENHead
from .detectors import GENVLKT
from .losses import HOIFocalLoss, VLKTLoss
from .task_modules import HOIHungarianAssigner, TopTriplets, TripletNMS, VerbTriplets

__all__ = [
    'GENHead',
    'GENVLKT',
    'HOIFocalLoss',
    'HOIHungarianAssigner',
    'RandomTextGENHead',
    'TopTriplets',
    'TripletNMS',
    'VLKTLoss',
    'VerbGENHead',
    'VerbTriplets',
]
