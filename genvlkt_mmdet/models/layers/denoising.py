"""Noisy queries of annotated pairs, which a training decodes beside the queries that are matched."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from mmdet.models.layers.transformer.utils import coordinate_to_encoding
from mmdet.structures.bbox import bbox_cxcywh_to_xyxy, bbox_xyxy_to_cxcywh
from mmengine.model import BaseModule
from mmengine.structures import InstanceData
from torch import Tensor, nn
from torch.nn.functional import pad
from torch.nn.utils.rnn import pad_sequence

# As many queries as mmdet's DINO takes if a config does not say it.
_NUM_DN_QUERIES = 100


class NoisyPairs(NamedTuple):
    """N noisy queries for each of B images. K of them in all are real, positive ones first. The others are padding."""

    human_pos: Tensor  # query positions without the position guided embedding, (B, N, C)
    object_pos: Tensor  # likewise, (B, N, C)
    guides: Tensor  # which of the Q position guided embeddings a query has, (N,)
    query_mask: (
        Tensor  # True where a query does not see another one, (B, Q + N, Q + N). The Q matching queries are first
    )
    images: Tensor  # image of each real query, (K,)
    queries: Tensor  # its index among the N queries of its image, (K,)
    pairs: Tensor  # its pair, counted over all images, (K,)
    num_positive: int


class PairDenoising(BaseModule):
    """Makes noisy queries from annotated pairs.

    This is the denoising of `DN-DETR <https://arxiv.org/abs/2203.01305>`_ (section 4) for human-object pairs, with the
    contrastive queries of `DINO <https://arxiv.org/abs/2203.03605>`_ (section 3.3).

    The human query and the object query of a pair have positions from their boxes, with noise. The position of the object query
    also has the class weight of its object, or sometimes of another object. With a :class:`TextClassifier`, a class weight
    starts as text embedding. No gradient reaches it from here. Each group of queries has all pairs of an image, with noise of
    its own. A query sees its own group and the matching queries, and no matching query sees it.

    The settings have the names and the meaning of mmdet's ``CdnQueryGenerator``.

    Args:
        embed_dims (int): C. Set by the head.
        label_dims (int): Width D of the class weights of the object classifier. Set by the head.
        num_matching_queries (int): Q. Set by the head.
        object_labels (Sequence[int]): Objects of the HOI classes that the training sees. Set by the head.
        label_noise_scale (float): In [0, 2]. Half of it is the share of queries with another object. Defaults to 0.5.
        box_noise_scale (float): The two corners of a box move, in x and y, by less than half of its width and height times this
            number. Defaults to 1.
        group_cfg (dict, optional): ``dict(dynamic=False, num_groups=5)``: number of groups. ``dict(num_dn_queries=100)``: as
            many groups as have at most so many positive queries, in the image with the most pairs, and at least one. Defaults
            to None: 100 queries.
        negatives (bool): Whether each group has a second, negative query for each pair. Its corners move by once to twice the
            largest distance, and it is trained as 'nothing' (contrastive denoising of DINO). Defaults to False.
        loss_weight (float): Factor of all losses of noisy queries. Defaults to 1.

    Raises:
        ValueError: If a setting is out of its range or unknown.
    """

    def __init__(
        self,
        embed_dims: int,
        label_dims: int,
        num_matching_queries: int,
        object_labels: Sequence[int],
        label_noise_scale: float = 0.5,
        box_noise_scale: float = 1.0,
        group_cfg: Mapping[str, Any] | None = None,
        negatives: bool = False,
        loss_weight: float = 1.0,
    ) -> None:
        super().__init__()
        if not 0 <= label_noise_scale <= 2:
            raise ValueError(f'denoising.label_noise_scale must be from 0 to 2, not {label_noise_scale!r}.')
        for name, value in dict(box_noise_scale=box_noise_scale, loss_weight=loss_weight).items():
            if value < 0:
                raise ValueError(f'denoising.{name} must be 0 or more, not {value!r}.')
        group_cfg = dict(group_cfg or {})
        size = 'num_dn_queries' if group_cfg.pop('dynamic', True) else 'num_groups'
        self.num_dn_queries = self.fixed_groups = None
        number = group_cfg.pop(size, _NUM_DN_QUERIES if size == 'num_dn_queries' else None)
        if group_cfg or not isinstance(number, int) or isinstance(number, bool) or number < 1:
            raise ValueError(
                'denoising.group_cfg must be dict(num_dn_queries=100) or dict(dynamic=False, num_groups=5), with whole numbers '
                'of at least 1.'
            )
        if size == 'num_groups':
            self.fixed_groups = number
        else:
            self.num_dn_queries = number
        self.embed_dims = embed_dims
        self.num_matching_queries = num_matching_queries
        self.label_noise_scale = label_noise_scale
        self.box_noise_scale = box_noise_scale
        self.negatives = negatives
        self.loss_weight = loss_weight
        self.human_box = nn.Linear(2 * embed_dims, embed_dims)
        self.object_box = nn.Linear(2 * embed_dims, embed_dims)
        self.object_label = nn.Linear(label_dims, embed_dims)
        # The vocabulary determines them, so they are not in the checkpoint.
        self.register_buffer('object_labels', torch.tensor(sorted(object_labels)), persistent=False)

    def num_groups(self, max_pairs: int) -> int:
        """Number of groups if no image has more pairs than ``max_pairs``."""
        return self.fixed_groups or max(1, self.num_dn_queries // max(1, max_pairs))

    def forward(self, targets: Sequence[InstanceData], class_weights: Tensor) -> NoisyPairs:
        """Makes the noisy queries of a batch.

        Args:
            targets (Sequence[InstanceData]): Pairs of the B images, as for :meth:`GENHead.loss_by_feat`.
            class_weights (Tensor): Class weights of the object classifier, (O, D).

        Returns:
            NoisyPairs: N = groups * T queries for each image, twice as many with negative ones. T is the largest number of pairs
            of an image, and at least 1, so that all weights have a gradient in a batch without pairs.
        """
        device = class_weights.device
        sizes = torch.tensor([len(target.object_labels) for target in targets], device=device)
        max_pairs = max(1, *(len(target.object_labels) for target in targets))
        groups, kinds = self.num_groups(max_pairs), 1 + self.negatives

        def copied(key: str) -> Tensor:
            values = pad_sequence([target[key] for target in targets], batch_first=True)
            values = torch.cat(
                [values, values.new_zeros(len(targets), max_pairs - values.shape[1], *values.shape[2:])], 1
            )
            return torch.cat(
                [values] * (groups * kinds), 1
            )  # (B, N, ...): T queries of a kind, the other kind, next group

        index = torch.arange(groups * kinds * max_pairs, device=device)
        pair, kind, group = index % max_pairs, index // max_pairs % kinds, index // (max_pairs * kinds)  # (N,) each
        real = pair < sizes[:, None]  # (B, N)
        labels = self._noisy_labels(copied('object_labels'))
        human_pos, object_pos = (
            embed(
                coordinate_to_encoding(self._noisy_boxes(copied(key), kind), self.embed_dims // 2).to(
                    class_weights.dtype
                )
            )
            for key, embed in (('human_boxes', self.human_box), ('object_boxes', self.object_box))
        )
        positive = (real & (kind == 0)).nonzero()
        images, queries = torch.cat([positive, (real & (kind == 1)).nonzero()]).unbind(1)
        return NoisyPairs(
            human_pos=human_pos,
            object_pos=object_pos + self.object_label(class_weights.detach()[labels]),
            guides=self._guides(groups, kinds * max_pairs),
            query_mask=self._query_mask(group, real),
            images=images,
            queries=queries,
            pairs=(sizes.cumsum(0) - sizes)[images] + pair[queries],
            num_positive=len(positive),
        )

    def _guides(self, groups: int, size: int) -> Tensor:
        # The queries of a group see each other, so they have different embeddings, as far as there are enough.
        order = torch.rand(groups, self.num_matching_queries, device=self.object_labels.device).argsort(1)
        return order.repeat(1, -(-size // order.shape[1]))[:, :size].flatten()

    def _noisy_boxes(self, boxes: Tensor, kind: Tensor) -> Tensor:
        distance = torch.rand_like(boxes) + kind[:, None]  # a positive query in [0, 1), a negative one in [1, 2)
        sign = torch.randint_like(boxes, 2) * 2 - 1
        moved = distance * sign * boxes[..., 2:].repeat(1, 1, 2) * self.box_noise_scale / 2
        return bbox_xyxy_to_cxcywh((bbox_cxcywh_to_xyxy(boxes) + moved).clamp(0, 1))

    def _noisy_labels(self, labels: Tensor) -> Tensor:
        count = len(self.object_labels)
        if count == 1:
            return labels
        others = torch.searchsorted(self.object_labels, labels) + torch.randint_like(labels, 1, count)
        noisy = torch.rand(labels.shape, device=labels.device) < self.label_noise_scale / 2
        return torch.where(noisy, self.object_labels[others % count], labels)

    def _query_mask(self, group: Tensor, real: Tensor) -> Tensor:
        itself = torch.eye(len(group), dtype=torch.bool, device=group.device)
        sees = (group[:, None] == group) & real[:, None] | itself  # (B, N, N), only padding sees padding
        matching = self.num_matching_queries
        mask = pad(~sees, (matching, 0, matching, 0), value=False)
        mask[:, :matching, matching:] = True
        return mask
