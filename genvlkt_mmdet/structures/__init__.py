from .boxes import box_iou, tensor_box_iou
from .hoi_data_sample import HOIDataSample
from .pair_boxes import PairBoxes
from .pairs import GroundTruth, Persons, Triplets, has_object, zeros_to_no_object

__all__ = [
    'GroundTruth',
    'HOIDataSample',
    'PairBoxes',
    'Persons',
    'Triplets',
    'box_iou',
    'has_object',
    'tensor_box_iou',
    'zeros_to_no_object',
]
