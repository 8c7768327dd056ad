"""Data sample of human-object interaction detection."""

import numpy as np
from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData
from torch import Tensor


class HOIDataSample(DetDataSample):
    """Ground truth and predictions of one image.

    Attributes:
        gt_pairs (InstanceData): n human-object pairs. ``human_boxes`` (n, 4) and ``object_boxes`` (n, 4): xyxy pixels
            of the network input, zeros where the pair has no object; ``object_labels`` (n): object class index;
            ``hoi_labels`` (n, A): multi-hot float.
        pred_hois (InstanceData): m triplets, best first. ``human_boxes`` (m, 4) and ``object_boxes`` (m, 4): xyxy
            pixels of the original image, NaN where the pair has no object; ``object_labels`` (m): predicted object
            class; ``hoi_labels`` (m): HOI class index; ``scores`` (m), in [0, 2]; ``query_ids`` (m): the query that
            the triplet comes from.
        clip_image (Tensor): (3, S, S), the augmented image as CLIP's image encoder wants it; training only.
    """

    @property
    def gt_pairs(self) -> InstanceData:
        """InstanceData: annotated human-object pairs."""
        return self._gt_pairs

    @gt_pairs.setter
    def gt_pairs(self, value: InstanceData) -> None:
        self.set_field(value, '_gt_pairs', dtype=InstanceData)

    @gt_pairs.deleter
    def gt_pairs(self) -> None:
        del self._gt_pairs

    @property
    def pred_hois(self) -> InstanceData:
        """InstanceData: predicted triplets."""
        return self._pred_hois

    @pred_hois.setter
    def pred_hois(self, value: InstanceData) -> None:
        self.set_field(value, '_pred_hois', dtype=InstanceData)

    @pred_hois.deleter
    def pred_hois(self) -> None:
        del self._pred_hois

    @property
    def clip_image(self) -> Tensor | np.ndarray:
        """Tensor: (3, S, S) input of the CLIP teacher."""
        return self._clip_image

    @clip_image.setter
    def clip_image(self, value: Tensor | np.ndarray) -> None:
        # an array after `numpy()`, which mmdet's browse_dataset calls
        self.set_field(value, '_clip_image', dtype=(Tensor, np.ndarray))

    @clip_image.deleter
    def clip_image(self) -> None:
        del self._clip_image
