"""Packing of an item into network input and data sample."""

from collections.abc import Sequence

import numpy as np
import torch
from mmdet.datasets.transforms import PackDetInputs
from mmdet.registry import TRANSFORMS
from mmengine.structures import InstanceData

from ...structures import HOIDataSample


@TRANSFORMS.register_module()
class PackHOIInputs(PackDetInputs):
    """Packs image, pairs and CLIP image.

    A pair whose human or object box a transform has dropped is dropped here. Without boxes in the item (test pipelines)
    the sample has no ``gt_pairs``.

    Args:
        meta_keys (Sequence[str]): Keys of the item that become metainfo of the sample; absent ones are left out.
    """

    def __init__(
        self,
        meta_keys: Sequence[str] = (
            'img_id',
            'img_path',
            'ori_shape',
            'img_shape',
            'scale_factor',
            'flip',
            'flip_direction',
            'eval_gt',
        ),
    ) -> None:
        super().__init__(meta_keys=tuple(meta_keys))

    def transform(self, results: dict) -> dict:
        """Packs the item.

        Args:
            results (dict): The item after all other transforms.

        Returns:
            dict: ``inputs`` (3, H, W) uint8 tensor and ``data_samples``, a :class:`HOIDataSample`.
        """
        packed = super().transform(results)
        plain = packed['data_samples']
        sample = HOIDataSample(metainfo=plain.metainfo)
        if 'gt_bboxes' in results:
            sample.gt_instances = plain.gt_instances
            sample.gt_pairs = self._gt_pairs(results)
        if 'clip_image' in results:
            sample.clip_image = results['clip_image']
        packed['data_samples'] = sample
        return packed

    def _gt_pairs(self, results: dict) -> InstanceData:
        """The pairs whose boxes are all still there."""
        boxes, ids, pairs = results['gt_bboxes'].tensor, results['gt_instances_ids'], results['pairs']
        position = np.full(len(results['instances']), -1)
        position[ids] = np.arange(len(ids))
        has_object = pairs['object_ids'] >= 0
        human = position[pairs['human_ids']]
        obj = np.full_like(human, -1)
        obj[has_object] = position[pairs['object_ids'][has_object]]
        keep = (human >= 0) & ((obj >= 0) | ~has_object)
        object_boxes = boxes.new_zeros(int(keep.sum()), 4)
        object_boxes[has_object[keep]] = boxes[obj[keep & has_object]]
        return InstanceData(
            human_boxes=boxes[human[keep]],
            object_boxes=object_boxes,
            object_labels=torch.from_numpy(pairs['object_labels'][keep]),
            hoi_labels=torch.from_numpy(pairs['hoi_labels'][keep]),
        )
