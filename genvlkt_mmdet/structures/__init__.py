from .boxes import box_iou, tensor_box_iou
from .hoi_data_sample import HOIDataSample
from .pair_boxes import PairBoxes

__all__ = ['HOIDataSample', 'PairBoxes', 'box_iou', 'tensor_box_iou']
