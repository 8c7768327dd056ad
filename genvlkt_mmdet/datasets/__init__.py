from . import transforms  # noqa: F401  (registers)
from .collating import hoi_collate
from .hico_det import HICODetDataset
from .hoi_dataset import HOIDataset
from .vcoco import VCOCODataset

__all__ = ['HICODetDataset', 'HOIDataset', 'VCOCODataset', 'hoi_collate']
