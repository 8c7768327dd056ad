from .dense_heads import GENHead, LearnedInteractionGENHead, SharedQueryGENHead, VerbGENHead
from .detectors import GENVLKT
from .losses import HOIFocalLoss, VLKTLoss
from .task_modules import HOIHungarianAssigner, TopTriplets, TripletNMS, VerbTriplets

__all__ = [
    'GENHead',
    'GENVLKT',
    'HOIFocalLoss',
    'HOIHungarianAssigner',
    'LearnedInteractionGENHead',
    'SharedQueryGENHead',
    'TopTriplets',
    'TripletNMS',
    'VLKTLoss',
    'VerbGENHead',
    'VerbTriplets',
]
