"""Overlap of boxes, for numpy arrays and for tensors."""

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor


def box_iou(boxes1: np.ndarray, boxes2: np.ndarray, plus_one: bool = True) -> np.ndarray:
    """Intersection over union of numpy boxes, element by element with broadcasting.

    For a matrix of overlaps, call ``box_iou(a[:, None], b[None])``. The result has the precision of the input. The official
    V-COCO program computes in float32, which matters for overlaps at the threshold.

    Args:
        boxes1 (np.ndarray): (..., 4) xyxy boxes in pixels.
        boxes2 (np.ndarray): (..., 4) boxes that broadcast against ``boxes1``.
        plus_one (bool): Whether a box from x1 to x2 is x2 - x1 + 1 pixels wide, as in the official HICO-DET and V-COCO
            programs. Defaults to True.

    Returns:
        np.ndarray: (...) overlaps in [0, 1]. 0 where both boxes are empty, NaN where a coordinate is NaN.

    Examples:
        >>> import numpy as np
        >>> float(box_iou(np.array([0.0, 0, 9, 9]), np.array([0.0, 0, 9, 4])))
        0.5
    """
    one = boxes1.dtype.type(1 if plus_one else 0)
    width = np.minimum(boxes1[..., 2], boxes2[..., 2]) - np.maximum(boxes1[..., 0], boxes2[..., 0]) + one
    height = np.minimum(boxes1[..., 3], boxes2[..., 3]) - np.maximum(boxes1[..., 1], boxes2[..., 1]) + one
    inter = np.maximum(width, 0) * np.maximum(height, 0)
    area1 = (boxes1[..., 2] - boxes1[..., 0] + one) * (boxes1[..., 3] - boxes1[..., 1] + one)
    area2 = (boxes2[..., 2] - boxes2[..., 0] + one) * (boxes2[..., 3] - boxes2[..., 1] + one)
    union = area1 + area2 - inter
    return np.divide(inter, union, out=np.where(np.isnan(union), np.nan, 0).astype(union.dtype), where=union > 0)


def tensor_box_iou(boxes1: 'Tensor', boxes2: 'Tensor', plus_one: bool = True) -> 'Tensor':
    """Intersection over union of tensors, as :func:`box_iou`, but NaN where both boxes are empty."""
    one = 1 if plus_one else 0
    top_left = boxes1[..., :2].maximum(boxes2[..., :2])
    bottom_right = boxes1[..., 2:].minimum(boxes2[..., 2:])
    inter = (bottom_right - top_left + one).clamp(min=0).prod(-1)
    area1, area2 = ((boxes[..., 2:] - boxes[..., :2] + one).prod(-1) for boxes in (boxes1, boxes2))
    return inter / (area1 + area2 - inter)
