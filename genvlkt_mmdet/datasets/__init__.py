from . import transforms  # noqa: F401  (registers)
from .hico_det import HICODetDataset
from .hoi_dataset import HOIDataset
from .vcoco import VCOCODataset

__all__ = ['HICODetDataset', 'HOIDataset', 'VCOCODataset']
