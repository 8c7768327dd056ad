"""Data sample of human-object interaction detection."""

from operator import attrgetter
from typing import Any

import numpy as np
from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData
from torch import Tensor


def _field(name: str, dtype: type | tuple[type, ...], doc: str) -> Any:
    """A property that is stored in a data field, so that the sample moves and copies it with its other data."""

    def set_value(sample: DetDataSample, value: Any) -> None:
        sample.set_field(value, name, dtype=dtype)

    return property(attrgetter(name), set_value, lambda sample: delattr(sample, name), doc)


class HOIDataSample(DetDataSample):
    """Ground truth and predictions of one image.

    Attributes:
        gt_pairs (InstanceData): n human-object pairs. ``human_boxes`` (n, 4) and ``object_boxes`` (n, 4): xyxy pixels
            of the network input, zeros where the pair has no object; ``object_labels`` (n): object class index;
            ``hoi_labels`` (n, A): multi-hot float; of potential pairs, probabilities.
        pred_hois (InstanceData): m triplets, highest score first. ``human_boxes`` (m, 4) and ``object_boxes`` (m, 4): xyxy
            pixels of the original image, NaN where the pair has no object; ``object_labels`` (m): predicted object
            class; ``hoi_labels`` (m): HOI class index; ``scores`` (m), in [0, 2]; ``query_ids`` (m): the query of
            each triplet.
        clip_image (Tensor): (3, S, S), the augmented image, resized and normalised for CLIP: for the mimic loss in training, or
            for a head that reads it.
    """

    gt_pairs = _field('_gt_pairs', InstanceData, 'InstanceData: annotated human-object pairs.')
    pred_hois = _field('_pred_hois', InstanceData, 'InstanceData: predicted triplets.')
    # An array after `numpy()`, which mmdet's browse_dataset calls
    clip_image = _field('_clip_image', (Tensor, np.ndarray), 'Tensor: (3, S, S) input of CLIP.')
