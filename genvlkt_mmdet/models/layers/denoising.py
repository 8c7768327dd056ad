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


class NoisyPairs(NamedTuple):
    """N noisy queries for each of B images. K of them are real, the others fill images with few pairs.

    The real ones are ordered: positive queries first.
    """

    human_pos: Tensor  # query positions without the position guided embedding, (B, N, C)
    object_pos: Tensor  # likewise, (B, N, C)
    hoi_pos: Tensor  # what guides the interaction query beside its pair, (B, N, C)
    guides: Tensor  # which of the Q position guided embeddings a query has, (N,)
    query_mask: Tensor  # True where a query does not see another, (B, Q + N, Q + N), the Q matching queries first
    images: Tensor  # image of each real query, (K,)
    slots: Tensor  # its place among the N queries, (K,)
    pairs: Tensor  # its pair among the pairs of all images, (K,)
    num_positive: int


class PairDenoising(BaseModule):
    """Makes noisy queries from annotated pairs, after `DN-DETR <https://arxiv.org/abs/2203.01305>`_ and `DINO
    <https://arxiv.org/abs/2203.03605>`_.

    The positions of the human query and of the object query of a pair are embeddings of their boxes with noise. The object query
    also has the class weight of the object, sometimes of another one. With text classifiers, that weight is a text embedding,
    and no gradient reaches it from here. Names and meaning of the settings are those of mmdet's ``CdnQueryGenerator``.

    Args:
        embed_dims (int): C. Set by the head.
        label_dims (int): Width D of the class weights of the object classifier. Set by the head.
        hoi_dims (int): Width of the class weights of the HOI classifier. Set by the head.
        num_matching_queries (int): Q. Set by the head.
        object_labels (Sequence[int]): Objects of the classes that the training sees. Set by the head.
        label_noise_scale (float): In [0, 2]. Twice the share of queries with the label of another object. Defaults to 0.5.
        box_noise_scale (float): Corners move by less than this times half of the width and height. Defaults to 1.
        group_cfg (dict, optional): ``dynamic=True, num_dn_queries=100``: as many groups as keep an image's positive queries
            below that number. ``dynamic=False, num_groups=5``: always so many. Each group has all pairs of an image. Defaults
            to None: 100 queries.
        negatives (bool): Whether a group has a second, negative query for each pair, whose corners move by once to twice
            the distance. It is trained as 'nothing' (DINO's contrastive queries). Defaults to False.
        hoi_text (bool): Whether the interaction query gets the noisy class weight of its HOI. Defaults to False.
        loss_weight (float): Factor of all losses of noisy queries. Defaults to 1.
    """

    def __init__(
        self,
        embed_dims: int,
        label_dims: int,
        hoi_dims: int,
        num_matching_queries: int,
        object_labels: Sequence[int],
        label_noise_scale: float = 0.5,
        box_noise_scale: float = 1.0,
        group_cfg: Mapping[str, Any] | None = None,
        negatives: bool = False,
        hoi_text: bool = False,
        sees_matching: bool = True,
        box_guide: bool = False,
        loss_weight: float = 1.0,
    ) -> None:
        super().__init__()
        self.embed_dims = embed_dims
        self.num_matching_queries = num_matching_queries
        self.label_noise_scale = label_noise_scale
        self.box_noise_scale = box_noise_scale
        self.group_cfg = dict(dynamic=True, num_dn_queries=100) if group_cfg is None else dict(group_cfg)
        self.negatives = negatives
        self.loss_weight = loss_weight
        self.sees_matching = sees_matching
        self.human_box = nn.Linear(2 * embed_dims, embed_dims)
        self.object_box = nn.Linear(2 * embed_dims, embed_dims)
        self.object_label = nn.Linear(label_dims, embed_dims)
        self.hoi_label = nn.Linear(hoi_dims, embed_dims) if hoi_text else None
        self.guide = nn.Linear(4 * embed_dims, embed_dims) if box_guide else None
        self.register_buffer('object_labels', torch.tensor(sorted(object_labels)), persistent=False)

    def num_groups(self, max_pairs: int) -> int:
        """Number of groups for images with at most so many pairs."""
        if self.group_cfg.get('dynamic', True):
            return max(1, self.group_cfg.get('num_dn_queries', 100) // max(1, max_pairs))
        return self.group_cfg['num_groups']

    def forward(self, targets: Sequence[InstanceData], object_weights: Tensor, hoi_weights: Tensor) -> NoisyPairs:
        """Draws noise for a batch.

        Args:
            targets (Sequence[InstanceData]): Pairs of the B images, as for :meth:`GENHead.loss_by_feat`.
            object_weights (Tensor): Class weights of the object classifier, (O, D).
            hoi_weights (Tensor): Class weights of the HOI classes of the labels, (A, D).

        Returns:
            NoisyPairs: The queries.
        """
        sizes = torch.tensor([len(target.object_labels) for target in targets])
        max_pairs = max(1, int(sizes.max()))
        kinds = 1 + self.negatives
        groups = self.num_groups(max_pairs)
        copies = groups * kinds

        def copied(key: str) -> Tensor:
            values = pad_sequence([target[key] for target in targets], batch_first=True)  # (B, T, ...)
            values = torch.cat([values, values.new_zeros(len(values), max_pairs - values.shape[1], *values.shape[2:])], 1)
            return values.repeat(1, copies, *[1] * (values.dim() - 2))  # (B, N, ...)

        device = object_weights.device
        group = torch.arange(groups, device=device).repeat_interleave(kinds * max_pairs)  # (N,)
        negative = torch.arange(copies, device=device).repeat_interleave(max_pairs) % kinds == 1
        real = torch.arange(max_pairs) < sizes[:, None]
        real = real.repeat(1, copies).to(device)  # (B, N)
        boxes = {part: self._noisy_boxes(copied(f'{part}_boxes'), negative) for part in ('human', 'object')}
        encoded = {part: coordinate_to_encoding(values, self.embed_dims // 2) for part, values in boxes.items()}
        label_embeds = object_weights.detach()[self._noisy_labels(copied('object_labels'))]
        human_pos = self.human_box(encoded['human'])
        object_pos = self.object_box(encoded['object']) + self.object_label(label_embeds)
        if self.guide is not None:
            guide = self.guide(torch.cat([encoded['human'], encoded['object']], -1))
            human_pos, object_pos = human_pos + guide, object_pos + guide
        hoi_pos = torch.zeros_like(human_pos)
        if self.hoi_label is not None:
            labels = copied('hoi_labels').to(hoi_weights.dtype)
            flipped = torch.rand(labels.shape[:2], device=device) < self.label_noise_scale / 2
            other = torch.zeros_like(labels).scatter(
                -1, torch.randint(labels.shape[-1], (*labels.shape[:2], 1), device=device), 1
            )
            labels = torch.where(flipped[..., None], other, labels)
            hoi_pos = self.hoi_label(labels @ hoi_weights.detach() / labels.sum(-1, keepdim=True).clamp(min=1))
        images, slots = (real & ~negative).nonzero(as_tuple=True)
        bad_images, bad_slots = (real & negative).nonzero(as_tuple=True)
        num_positive = len(images)
        images, slots = torch.cat([images, bad_images]), torch.cat([slots, bad_slots])
        starts = (sizes.cumsum(0) - sizes).to(device)
        return NoisyPairs(
            human_pos=human_pos,
            object_pos=object_pos,
            hoi_pos=hoi_pos,
            guides=self._guides(groups, kinds * max_pairs, device),
            query_mask=self._query_mask(group, real),
            images=images,
            slots=slots,
            pairs=starts[images] + slots % max_pairs,
            num_positive=num_positive,
        )

    def _guides(self, groups: int, size: int, device: torch.device) -> Tensor:
        # Queries of a group see each other, so they have different embeddings, as far as there are enough.
        orders = torch.rand(groups, self.num_matching_queries, device=device).argsort(1)
        return orders[:, torch.arange(size, device=device) % self.num_matching_queries].flatten()

    def _noisy_boxes(self, boxes: Tensor, negative: Tensor) -> Tensor:
        noise = torch.rand_like(boxes) + negative[:, None].to(boxes.dtype)
        noise = noise * (torch.randint_like(boxes, 2) * 2 - 1)
        corners = bbox_cxcywh_to_xyxy(boxes) + noise * boxes[..., 2:].repeat(1, 1, 2) / 2 * self.box_noise_scale
        return bbox_xyxy_to_cxcywh(corners.clamp(0, 1))

    def _noisy_labels(self, labels: Tensor) -> Tensor:
        num_labels = len(self.object_labels)
        if num_labels < 2:
            return labels
        flipped = torch.rand(labels.shape, device=labels.device) < self.label_noise_scale / 2
        others = torch.searchsorted(self.object_labels, labels) + torch.randint_like(labels, 1, num_labels)
        return torch.where(flipped, self.object_labels[others % num_labels], labels)

    def _query_mask(self, group: Tensor, real: Tensor) -> Tensor:
        same_group = group[:, None] == group
        itself = torch.eye(len(group), dtype=torch.bool, device=group.device)
        seen = same_group & real[:, None] | itself  # (B, N, N)
        seen = pad(seen, (self.num_matching_queries, 0), value=self.sees_matching)  # noisy queries see the matching ones
        seen = pad(seen, (0, 0, self.num_matching_queries, 0), value=False)  # and are not seen by them
        seen[:, : self.num_matching_queries, : self.num_matching_queries] = True
        return ~seen
