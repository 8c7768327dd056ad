"""A plain reading of GEN-VLKT: what the benchmarks compare the package with.

Batch norm is a layer, attention is softmax(QK)V with its weights, masks and position encodings are made for every batch, every
layer has its heads, and triplets are sorted and suppressed one by one. Modules have the names of the package's models, so that it
takes their weights.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from mmdet.models.backbones import ResNet
from mmdet.models.necks import ChannelMapper
from torch import Tensor, nn
from torch.nn.functional import interpolate, normalize

from genvlkt_mmdet.vocabulary import load_vocabulary


class Attention(nn.Module):
    """Attention with residual."""

    def __init__(self, embed_dims: int, num_heads: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.attn = nn.MultiheadAttention(embed_dims, num_heads, dropout, batch_first=True)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, pos: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None) -> Tensor:
        """Attends from (B, N, C) to (B, M, C)."""
        out, _ = self.attn(x + pos, key, value, key_padding_mask=mask, need_weights=True)
        return x + self.dropout(out)


class FeedForward(nn.Module):
    """Two linear layers with residual."""

    def __init__(self, embed_dims: int, feedforward_channels: int, ffn_drop: float = 0.0) -> None:
        super().__init__()
        first = nn.Sequential(nn.Linear(embed_dims, feedforward_channels), nn.ReLU(), nn.Dropout(ffn_drop))
        self.layers = nn.Sequential(first, nn.Linear(feedforward_channels, embed_dims), nn.Dropout(ffn_drop))

    def forward(self, x: Tensor) -> Tensor:
        """Maps (B, N, C) to the same shape."""
        return x + self.layers(x)


class Layer(nn.Module):
    """Post-norm layer of an encoder, or of a decoder if ``cfg`` has cross attention."""

    def __init__(self, cfg: Mapping[str, Any]) -> None:
        super().__init__()
        self.self_attn = Attention(**cfg['self_attn_cfg'])
        self.cross_attn = Attention(**cfg['cross_attn_cfg']) if 'cross_attn_cfg' in cfg else None
        self.ffn = FeedForward(**cfg['ffn_cfg'])
        count = 2 if self.cross_attn is None else 3
        self.norms = nn.ModuleList([nn.LayerNorm(cfg['ffn_cfg']['embed_dims']) for _ in range(count)])

    def forward(self, x: Tensor, pos: Tensor, mask: Tensor | None, memory: Any = None) -> Tensor:
        """Runs the layer; ``memory`` is (features, their positions, their mask) for cross attention."""
        x = self.norms[0](self.self_attn(x, pos, x + pos, x, mask))
        if self.cross_attn is not None:
            features, features_pos, features_mask = memory
            x = self.norms[1](self.cross_attn(x, pos, features + features_pos, features, features_mask))
        return self.norms[-1](self.ffn(x))


class Encoder(nn.Module):
    """Transformer encoder."""

    def __init__(self, cfg: Mapping[str, Any]) -> None:
        super().__init__()
        self.layers = nn.ModuleList([Layer(cfg['layer_cfg']) for _ in range(cfg['num_layers'])])

    def forward(self, x: Tensor, pos: Tensor, mask: Tensor) -> Tensor:
        """Encodes (B, HW, C)."""
        for layer in self.layers:
            x = layer(x, pos, mask)
        return x


class Decoder(Encoder):
    """Transformer decoder with query positions of each layer."""

    def __init__(self, cfg: Mapping[str, Any]) -> None:
        super().__init__(cfg)
        self.post_norm = nn.LayerNorm(cfg['layer_cfg']['ffn_cfg']['embed_dims'])

    def forward(self, positions: Sequence[Tensor], memory: tuple[Tensor, Tensor, Tensor]) -> Tensor:
        """Outputs of all layers, (L, B, N, C)."""
        x, outputs = torch.zeros_like(positions[0]), []
        for layer, pos in zip(self.layers, positions):
            x = layer(x, pos, None, memory)
            outputs.append(self.post_norm(x))
        return torch.stack(outputs)


class Classifier(nn.Module):
    """Cosine similarity to class weights, times a temperature."""

    def __init__(self, in_channels: int, clip_dims: int, count: int) -> None:
        super().__init__()
        self.proj = nn.Sequential(nn.Linear(in_channels, clip_dims), nn.LayerNorm(clip_dims))
        self.fc = nn.Linear(clip_dims, count)
        self.logit_scale = nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Logits and embeddings."""
        embeds = self.proj(x)
        return self.logit_scale.exp() * self.fc(normalize(embeds, dim=-1)), embeds


class PlainGENVLKT(nn.Module):
    """The model of a config with ResNet, text classifiers and :class:`TopHOITriplets`.

    Args:
        cfg (dict): The ``model`` of the config.
        state (Mapping[str, Tensor]): State dict of a GENVLKT of this config.
    """

    def __init__(self, cfg: Mapping[str, Any], state: Mapping[str, Tensor]) -> None:
        super().__init__()
        head, test_cfg = cfg['bbox_head'], cfg['test_cfg']
        if test_cfg.get('type', 'TopHOITriplets') != 'TopHOITriplets' or head['type'] != 'GENHead':
            raise ValueError(
                'The plain model reads a GENHead with TopHOITriplets only: leave it out with --candidates.'
            )
        names = ('depth', 'num_stages', 'strides', 'dilations', 'out_indices', 'base_channels', 'style')
        names += ('frozen_stages', 'norm_cfg', 'norm_eval')
        self.backbone = ResNet(**{name: cfg['backbone'][name] for name in names if name in cfg['backbone']})
        self.neck = ChannelMapper(**{name: value for name, value in cfg['neck'].items() if name != 'type'})
        self.encoder = Encoder(cfg['encoder'])
        dims, num_queries = head['embed_dims'], head['num_queries']
        self.human_embed, self.object_embed, self.pair_embed = (nn.Embedding(num_queries, dims) for _ in range(3))
        self.instance_decoder, self.interaction_decoder = Decoder(head['decoder']), Decoder(head['decoder'])
        self.human_box_mlp, self.object_box_mlp = (
            nn.Sequential(nn.Linear(dims, dims), nn.ReLU(), nn.Linear(dims, dims), nn.ReLU(), nn.Linear(dims, 4))
            for _ in range(2)
        )
        state = {name.removeprefix('bbox_head.'): value for name, value in state.items()}
        for name in ('hoi_classifier', 'obj_classifier'):
            setattr(self, name, Classifier(dims, head[name]['clip_dims'], len(state[f'{name}.fc.bias'])))
        self.vocabulary = load_vocabulary(head['vocabulary'])
        self.register_buffer('hoi_objects', torch.tensor(self.vocabulary.hoi_objects), persistent=False)
        self.max_per_img = test_cfg.get('max_per_img', 100)
        nms = test_cfg['nms']
        self.nms = nms['iou_threshold'], nms['human_power'], nms['object_power']
        self.load_state_dict(state)

    def forward(self, images: Tensor, sizes: Sequence[tuple[int, int]]) -> dict[str, Tensor]:
        """Outputs of all layers, as :meth:`GENHead.forward` gives them.

        Args:
            images (Tensor): Normalised images, padded right and below, (B, 3, H, W).
            sizes (Sequence[tuple[int, int]]): Height and width of the images without padding.

        Returns:
            dict: ``hoi_logits, obj_logits, human_boxes, object_boxes, hoi_embeds``, (L, B, Q, ...) each.
        """
        features = self.neck(self.backbone(images))[-1]
        padding = images.new_ones(len(images), 1, *images.shape[2:])
        for mask, (height, width) in zip(padding, sizes):
            mask[:, :height, :width] = 0
        mask = interpolate(padding, size=features.shape[2:])[:, 0].bool()
        pos = self.positions(mask, features.shape[1] // 2).to(features.dtype)
        mask = mask.flatten(1)
        memory = self.encoder(features.flatten(2).transpose(1, 2), pos, mask), pos, mask

        human, obj = self.human_embed.weight, self.object_embed.weight
        queries = torch.cat([human + self.pair_embed.weight, obj + self.pair_embed.weight])
        queries = queries.expand(len(images), -1, -1)
        human, obj = self.instance_decoder([queries] * len(self.instance_decoder.layers), memory).chunk(2, dim=2)
        interactions = self.interaction_decoder((human + obj) / 2, memory)
        hoi_logits, hoi_embeds = self.hoi_classifier(interactions)
        return dict(
            hoi_logits=hoi_logits,
            obj_logits=self.obj_classifier(obj)[0],
            human_boxes=self.human_box_mlp(human).sigmoid(),
            object_boxes=self.object_box_mlp(obj).sigmoid(),
            hoi_embeds=hoi_embeds,
        )

    @staticmethod
    def positions(mask: Tensor, dims: int) -> Tensor:
        """DETR's sine encoding of rows and columns, (B, HW, C)."""
        frequency = 10000 ** (2 * (torch.arange(dims, device=mask.device) // 2) / dims)
        parts = []
        for axis in (1, 2):
            steps = (~mask).cumsum(axis, dtype=torch.float32)
            steps = steps / (steps.amax(axis, keepdim=True) + 1e-6) * 2 * math.pi
            angles = steps[..., None] / frequency
            parts.append(torch.stack([angles[..., 0::2].sin(), angles[..., 1::2].cos()], dim=4).flatten(3))
        return torch.cat(parts, dim=3).flatten(1, 2)

    def predict(self, outputs: Mapping[str, Tensor], sizes: Sequence[tuple[int, int]]) -> list[dict[str, Tensor]]:
        """Triplets of every image, best first.

        Args:
            outputs (dict): What :meth:`forward` gives.
            sizes (Sequence[tuple[int, int]]): Height and width that the boxes are scaled to.

        Returns:
            list[dict]: ``human_boxes``, ``object_boxes`` (xyxy pixels), ``object_labels``, ``hoi_labels``, ``scores``.
        """
        last, results = {key: value[-1].float() for key, value in outputs.items()}, []
        for i, (height, width) in enumerate(sizes):
            objects = last['obj_logits'][i]
            scores = last['hoi_logits'][i].sigmoid() + objects.sigmoid()[:, self.hoi_objects] ** 2
            best, order = scores.flatten().sort(descending=True, stable=True)
            best, order = best[: self.max_per_img], order[: self.max_per_img]
            queries, labels = order // scores.shape[1], order % scores.shape[1]
            factor = scores.new_tensor([width, height, width, height])
            humans, obj = (self._corners(last[f'{part}_boxes'][i]) * factor for part in ('human', 'object'))
            keep = self._suppress(humans[queries].tolist(), obj[queries].tolist(), labels.tolist())
            queries, labels, best = queries[keep], labels[keep], best[keep]
            object_labels = objects[:, :-1].argmax(-1)[queries]
            result = dict(human_boxes=humans[queries], object_boxes=obj[queries], object_labels=object_labels)
            result['object_boxes'][object_labels == self.vocabulary.no_object] = float('nan')
            results.append(dict(result, hoi_labels=labels, scores=best))
        return results

    @staticmethod
    def _corners(boxes: Tensor) -> Tensor:
        return torch.cat([boxes[:, :2] - boxes[:, 2:] / 2, boxes[:, :2] + boxes[:, 2:] / 2], dim=1)

    def _suppress(self, humans: list[list[float]], objects: list[list[float]], labels: list[int]) -> list[int]:
        threshold, human_power, object_power = self.nms
        keep: list[int] = []
        for i, label in enumerate(labels):
            if not any(
                labels[k] == label
                and _iou(humans[i], humans[k]) ** human_power * _iou(objects[i], objects[k]) ** object_power > threshold
                for k in keep
            ):
                keep.append(i)
        return keep


def _iou(a: Sequence[float], b: Sequence[float]) -> float:
    """Overlap of two boxes in whole pixels, as HICO-DET's evaluation counts them."""
    width, height = (min(a[k + 2], b[k + 2]) - max(a[k], b[k]) + 1 for k in (0, 1))
    inside = max(width, 0) * max(height, 0)
    area_a, area_b = ((box[2] - box[0] + 1) * (box[3] - box[1] + 1) for box in (a, b))
    return inside / (area_a + area_b - inside)
