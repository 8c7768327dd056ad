"""One-to-one matching of queries and annotated pairs, for all layers and images at once."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from mmdet.models.task_modules import AssignResult, BaseAssigner
from mmdet.registry import TASK_UTILS
from mmengine.structures import InstanceData
from scipy.optimize import linear_sum_assignment
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

_PREDICTED = ('hoi_logits', 'obj_logits', 'human_boxes', 'object_boxes')
_ANNOTATED = ('hoi_labels', 'object_labels', 'human_boxes', 'object_boxes')


class PairMatches(NamedTuple):
    """K matches of a batch, ordered by layer, image and query. Each field is (K,)."""

    layers: Tensor
    images: Tensor
    queries: Tensor
    pairs: Tensor  # index of the pair in its image


@TASK_UTILS.register_module()
class HOIHungarianAssigner(BaseAssigner):
    """Hungarian matching between queries and human-object pairs (section 3.4).

    Args:
        match_costs (Sequence[dict]): Configs of the costs. The matching cost is their sum.
    """

    def __init__(self, match_costs: Sequence[dict]) -> None:
        self.match_costs = [TASK_UTILS.build(cost) for cost in match_costs]

    @torch.no_grad()
    def cost(self, pred: Mapping[str, Tensor], targets: Sequence[InstanceData]) -> Tensor:
        """Cost of every query and pair.

        Args:
            pred (Mapping): ``hoi_logits`` (L, B, Q, A), ``obj_logits`` (L, B, Q, O), ``human_boxes`` and
                ``object_boxes`` (L, B, Q, 4), cxcywh in [0, 1].
            targets (Sequence[InstanceData]): Pairs of the B images: ``hoi_labels`` (n, A), ``object_labels`` (n),
                ``human_boxes`` and ``object_boxes`` (n, 4), cxcywh in [0, 1], zeros without object.

        Returns:
            Tensor: (L, B, Q, T), T the largest number of pairs of an image.
        """
        layers = pred['hoi_logits'].shape[0]
        padded = {}
        for key in _ANNOTATED:
            batch = pad_sequence([getattr(t, key) for t in targets], batch_first=True)
            padded[key] = batch.unsqueeze(0).expand(layers, *batch.shape)
        pred = {key: pred[key].detach() for key in _PREDICTED}
        return sum(cost(pred, padded) for cost in self.match_costs)

    def assign_batch(self, pred: Mapping[str, Tensor], targets: Sequence[InstanceData]) -> PairMatches:
        """Matches all layers and images, with one transfer from the device and one to it.

        Args:
            pred (Mapping): As for :meth:`cost`.
            targets (Sequence[InstanceData]): As for :meth:`cost`.

        Returns:
            PairMatches: At most min(Q, n) matches for each layer and image.

        Raises:
            FloatingPointError: If a cost is not finite, because training has diverged.
        """
        device = pred['hoi_logits'].device
        sizes = [len(t.object_labels) for t in targets]
        rows = []
        if any(sizes):
            costs = self.cost(pred, targets).float().cpu()
            for layer, layer_costs in enumerate(costs.numpy()):
                for image, size in enumerate(sizes):
                    try:
                        queries, pairs = linear_sum_assignment(layer_costs[image, :, :size])
                    except ValueError as error:
                        raise FloatingPointError(
                            f'The matching cost of decoder layer {layer} is not finite ({error}): the network gives NaN '
                            'or infinite outputs; lower the learning rate or resume from an earlier checkpoint.'
                        ) from error
                    rows.extend((layer, image, q, p) for q, p in zip(queries, pairs, strict=True))
        matches = torch.tensor(rows, dtype=torch.long).reshape(-1, 4).to(device)
        return PairMatches(*matches.unbind(1))

    def assign(
        self, pred_instances: InstanceData, gt_instances: InstanceData, img_meta: dict | None = None, **kwargs
    ) -> AssignResult:
        """Matches one image and one layer, with mmdet's interface. Fields are as for :meth:`cost`, without L and B.

        Returns:
            AssignResult: ``gt_inds`` has the 1-based pair of each query, 0 for none; ``labels`` its object class.
        """
        pred = {key: getattr(pred_instances, key)[None, None] for key in _PREDICTED}
        matches = self.assign_batch(pred, [gt_instances])
        gt_inds = matches.queries.new_zeros(len(pred_instances))
        labels = gt_inds - 1
        gt_inds[matches.queries] = matches.pairs + 1
        labels[matches.queries] = gt_instances.object_labels[matches.pairs]
        return AssignResult(len(gt_instances.object_labels), gt_inds, None, labels)
