"""Test-time augmentation: triplets of several views of an image."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from mmdet.registry import MODELS, TASK_UTILS
from mmdet.structures.bbox import bbox_flip
from mmengine.model import BaseTTAModel
from mmengine.structures import InstanceData
from torch import Tensor

from ...structures import HOIDataSample, has_object


@MODELS.register_module()
class HOITTAModel(BaseTTAModel):
    """Joins the triplets that a detector predicts for several views of an image.

    The views come from mmcv's ``TestTimeAug`` (``tta_pipeline`` in the configs). Boxes are flipped back. A triplet is removed if
    triplet NMS finds a better one of its HOI class in another view. Within a view, the detector itself has removed duplicates, so
    a single view, or several equal ones, give exactly the detector's own result.

    Args:
        nms (dict): Config of :class:`HOITripletNMS`. For a pair without object, the boxes of the humans decide. Defaults to a
            threshold of 0.5: boxes of one pair differ more between views than between the queries of one view.
        max_per_img (int, optional): Triplets to keep, highest score first. None: no limit. Defaults to 100.
        **kwargs: ``module``, the detector or its config, and ``data_preprocessor``.
    """

    def __init__(
        self,
        nms: Mapping[str, Any] = dict(type='HOITripletNMS', iou_threshold=0.5),
        max_per_img: int | None = 100,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.nms = TASK_UTILS.build(nms)
        self.max_per_img = max_per_img

    def merge_preds(self, data_samples_list: Sequence[Sequence[HOIDataSample]]) -> list[HOIDataSample]:
        """Merges the views of each image.

        Args:
            data_samples_list (Sequence[Sequence[HOIDataSample]]): The views of each image, with ``pred_hois`` in pixels of the
                original image.

        Returns:
            list[HOIDataSample]: The first view of each image, with the joined triplets. Their ``query_ids`` count on from view to
            view, so that triplets of equal ids belong to one pair.
        """
        return [self._merge_views(views) for views in data_samples_list]

    def _merge_views(self, views: Sequence[HOIDataSample]) -> HOIDataSample:
        parts, first_query = [], 0
        for view in views:
            part = view.pred_hois.clone()
            part.human_boxes, part.object_boxes = (
                _flip_back(part[f'{kind}_boxes'], view) for kind in ('human', 'object')
            )
            part.query_ids = part.query_ids + first_query
            first_query = int(part.query_ids.max()) + 1 if len(part) else first_query
            part.views = part.query_ids.new_full((len(part),), len(parts))
            parts.append(part)
        triplets = InstanceData.cat(parts)
        no_object = ~has_object(triplets.object_boxes)[:, None]
        keep = self.nms(
            triplets.human_boxes,
            torch.where(no_object, triplets.human_boxes, triplets.object_boxes),
            triplets.hoi_labels,
            triplets.scores,
            triplets.views,
        )
        merged = triplets[keep[: self.max_per_img]]
        del merged.views
        views[0].pred_hois = merged
        return views[0]


def _flip_back(boxes: Tensor, sample: HOIDataSample) -> Tensor:
    """Boxes (n, 4) of a view, in pixels of the original image, as they are in the image that was not flipped."""
    if not sample.get('flip', False):
        return boxes
    return bbox_flip(boxes, sample.ori_shape, sample.flip_direction)
