"""Packs an item into network input and data sample."""

from collections.abc import Sequence

import cv2
import numpy as np
import torch
from mmdet.datasets.transforms import PackDetInputs
from mmdet.registry import TRANSFORMS
from mmdet.structures.bbox import HorizontalBoxes
from mmengine.structures import InstanceData

from ...structures import HOIDataSample, PairBoxes
from .layout import contiguous


@TRANSFORMS.register_module()
class PackHOIInputs(PackDetInputs):
    """Packs image, pairs and CLIP image.

    If a transform has dropped the human box or the object box of a pair, the pair is dropped too. If a transform has joined
    images (Mosaic, MixUp), the sample has the pairs of all of them. If the item has no boxes (test pipelines), the sample
    has no ``gt_pairs``.

    Args:
        meta_keys (Sequence[str]): Keys of the item that become metainfo of the sample. Missing keys are ignored.
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
        """Packs the item to ``inputs`` (3, H, W) uint8 and ``data_samples``, a :class:`HOIDataSample`.

        Raises:
            ValueError: If a transform has replaced the boxes, so that the boxes of the pairs are unknown.
        """
        has_boxes = 'gt_bboxes' in results
        if has_boxes:
            pairs = self._gt_pairs(results['gt_bboxes'])
            results['gt_bboxes'] = HorizontalBoxes(results['gt_bboxes'].tensor)
        image = results.get('img')
        if image is not None and image.dtype == np.uint8 and image.shape[2:] == (3,):
            planes = np.empty((3, *image.shape[:2]), dtype=np.uint8)
            cv2.split(contiguous(image), list(planes))
            results['img'] = planes.transpose(1, 2, 0)  # mmdet puts the channels first again, which copies nothing
        packed = super().transform(results)
        plain = packed['data_samples']
        sample = HOIDataSample(metainfo=plain.metainfo)
        if has_boxes:
            sample.gt_instances = plain.gt_instances
            sample.gt_pairs = pairs
        if 'clip_image' in results:
            sample.clip_image = results['clip_image']
        packed['data_samples'] = sample
        return packed

    def _gt_pairs(self, boxes: PairBoxes) -> InstanceData:
        """The pairs that still have all of their boxes."""
        try:
            pairs = boxes.find_pairs()
        except (AttributeError, ValueError):  # other boxes, or boxes without instance ids
            raise ValueError(
                'PackHOIInputs cannot tell which boxes the pairs belong to, because a transform of the pipeline made new '
                'boxes (Albu, RandomErasing and CopyPaste do): leave it out, or put it before LoadHOIAnnotations if it '
                'changes pixels only. Boxes must come from LoadHOIAnnotations.'
            ) from None
        tensor, has_object = boxes.tensor, pairs['object_ids'] >= 0
        object_boxes = tensor.new_zeros(len(has_object), 4)
        object_boxes[has_object] = tensor[pairs['object_ids'][has_object]]
        return InstanceData(
            human_boxes=tensor[pairs['human_ids']],
            object_boxes=object_boxes,
            object_labels=torch.from_numpy(pairs['object_labels']),
            hoi_labels=torch.from_numpy(pairs['hoi_labels']),
        )
