from .dense_heads import GENHead
from .detectors import GENVLKT
from .losses import HOIFocalLoss, VLKTLoss
from .task_modules import HOIHungarianAssigner, TripletNMS

__all__ = ['GENHead', 'GENVLKT', 'HOIFocalLoss', 'HOIHungarianAssigner', 'TripletNMS', 'VLKTLoss']
