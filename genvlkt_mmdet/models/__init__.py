from .dense_heads import GENHead, LearnedInteractionGENHead, RandomTextGENHead, SharedQueryGENHead, VerbGENHead
from .detectors import GENVLKT
from .losses import HOIFocalLoss, VLKTLoss
from .task_modules import HOIHungarianAssigner, TopTriplets, TripletNMS, VerbTriplets

__all__ = [
    'GENHead',
    'GENVLKT',
    'HOIFocalLoss',
    'HOIHungarianAssigner',
    'LearnedInteractionGENHead',
    'RandomTextGENHead',
    'SharedQueryGENHead',
    'TopTriplets',
    'TripletNMS',
    'VLKTLoss',
    'VerbGENHead',
    'VerbTriplets',
]
