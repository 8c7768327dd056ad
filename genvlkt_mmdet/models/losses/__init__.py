from .hoi_focal_loss import HOIFocalLoss
from .vlkt_loss import VLKTLoss

__all__ = ['HOIFocalLoss', 'VLKTLoss']
