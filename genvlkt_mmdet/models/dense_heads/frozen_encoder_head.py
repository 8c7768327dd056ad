"""A head whose queries pass through the last blocks of a frozen CLIP image encoder."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from mmdet.models.layers import SinePositionalEncoding
from mmdet.registry import MODELS
from mmdet.structures.bbox import bbox_cxcywh_to_xyxy
from torch import Tensor, nn
from torch.nn.functional import normalize

from ..layers import GuidedDecoder, NoisyPairs
from ..vlkt import CLIPTokens
from .gen_head import GENHead, Outputs

_READS = ('blocks', 'tokens', 'both')


class _Seen(NamedTuple):
    """What CLIP sees: inputs of its last blocks and its last output, and whether only the last layer is wanted."""

    inputs: list[Tensor]
    last_only: bool


@MODELS.register_module()
class FrozenEncoderHead(GENHead):
    """GENHead whose interaction queries pass through the last blocks of a frozen CLIP image encoder.

    The idea is that of SL-HOI (2026). Only the interaction branch and the input of the object classifier differ from
    :class:`GENHead`, and there is no mimic loss.

    **Interaction branch.** A query takes the place of the class token before the last k blocks of a ViT. It starts as the class
    token there, plus a projection of the guided embedding (i-GE) of its pair. It passes through the k frozen blocks, in which it
    attends to the patches, and then through CLIP's own last norm and projection. So it ends in CLIP's space, where the text
    classifier compares it with the texts. Each layer of the instance decoder has its own queries. The tokens of CLIP do not see
    them, see :meth:`CLIPTokens.read`.

    **Object branch.** A second query of each pair, from its object feature, passes through the same blocks. A gate per pair mixes
    its direction in CLIP's space with that of the object feature.

    Additional symbols: k blocks, P patches, W channels of CLIP's tokens, S side of CLIP's image.

    Args:
        *args: See :class:`GENHead`.
        clip (dict): CLIP model whose image encoder, a ViT, is read, see
            :meth:`genvlkt_mmdet.models.vlkt.CLIPSource.from_cfg`.
        num_blocks (int): k. 0: queries get CLIP's last norm and projection only. Defaults to 3.
        reads (str): How interaction queries read CLIP. ``'blocks'``: as described. ``'tokens'``: the interaction decoder of
            :class:`GENHead`, with CLIP's last tokens in place of the memory of the encoder; the blocks are not used.
            ``'both'``: the output of that decoder, in place of i-GE, is projected and passes through the blocks. Defaults to
            ``'blocks'``.
        object_gate (bool): Whether the object branch reads CLIP. Defaults to True.
        box_bias (float, optional): In the blocks, patches outside of the boxes of a pair have their attention logits reduced by
            this number, which is learned. The boxes are those that the pair has in its layer. CLIP's image must be the whole
            image (``MakeCLIPImage(keep_ratio=False)``), or a square one. Defaults to None: the boxes are not used.
        **kwargs: See :class:`GENHead`.

    Raises:
        ValueError: If a setting is out of its range, or the image encoder is no ViT.
    """

    reads_clip_images = True

    def __init__(
        self,
        *args: Any,
        clip: Mapping[str, Any],
        num_blocks: int = 3,
        reads: str = 'blocks',
        object_gate: bool = True,
        box_bias: float | None = None,
        **kwargs: Any,
    ) -> None:
        if reads not in _READS:
            raise ValueError(f'FrozenEncoderHead: reads is one of {", ".join(map(repr, _READS))}, not {reads!r}.')
        # read by _init_interactions()
        self.reads, self.num_blocks, self.object_gate = reads, num_blocks, object_gate
        self._clip_cfg, self._box_bias_start = clip, box_bias
        super().__init__(*args, **kwargs)

    def _init_interactions(self, decoder: Mapping[str, Any]) -> int:
        self.clip = CLIPTokens(self._clip_cfg)
        blocks, dims = self.num_blocks, self.embed_dims
        if not self.clip.is_vit:
            raise ValueError(
                f"FrozenEncoderHead: the image encoder of the CLIP model '{self.clip.source.label}' is no ViT: set clip to one."
            )
        if not isinstance(blocks, int) or isinstance(blocks, bool) or not 0 <= blocks <= len(self.clip.blocks):
            raise ValueError(
                f'FrozenEncoderHead: num_blocks is a whole number from 0 to {len(self.clip.blocks)}, the number of blocks of '
                f"the CLIP model '{self.clip.source.label}', not {blocks!r}."
            )
        width, clip_dims = self.clip.width, self.clip.embed_dims
        if self.reads != 'blocks':
            self.token_proj = nn.Sequential(nn.Linear(width, dims), nn.LayerNorm(dims))
            self.interaction_decoder = GuidedDecoder(**decoder)
            # Sine positions, as those of the memory. The class token has none.
            positions = SinePositionalEncoding(dims // 2, normalize=True)(
                torch.zeros(1, *self.clip.visual.grid_size, dtype=torch.bool)
            )
            positions = nn.functional.pad(positions.flatten(2).transpose(1, 2), (0, 0, 1, 0))
            self.register_buffer('token_pos', positions, persistent=False)
        if self.reads != 'tokens':
            self.query_proj = _near_zero(nn.Linear(dims, width))
        if self.object_gate:
            self.object_query_proj = _near_zero(nn.Linear(dims, width))
            self.object_proj = nn.Sequential(nn.Linear(dims, clip_dims), nn.LayerNorm(clip_dims))
            self.gate = nn.Linear(dims, 1)
        reads_blocks = self.reads != 'tokens' or self.object_gate
        start = self._box_bias_start if reads_blocks else None
        self.box_bias = None if start is None else nn.Parameter(torch.tensor(float(start)))
        return dims if self.reads == 'tokens' else clip_dims

    def _build_classifier(self, cfg: Mapping[str, Any], classes: str) -> nn.Module:
        if classes == 'objects' and self.object_gate:
            given = dict(in_channels=self.clip.embed_dims, vocabulary=self.trained_vocabulary, zero_shot=self.zero_shot)
            return MODELS.build(dict(cfg, **given, classes=classes))
        return super()._build_classifier(cfg, classes)

    @property
    def interaction_parts(self) -> dict[str, nn.Module]:
        """dict[str, nn.Module]: The parts of the interaction branch by their names in tables."""
        parts: dict[str, nn.Module] = {'CLIP image encoder': self.clip}
        return parts if self.reads == 'blocks' else {**parts, **super().interaction_parts}

    def forward(
        self,
        memory: Tensor,
        memory_pos: Tensor,
        memory_mask: Tensor | None = None,
        clip_images: Tensor | None = None,
        seen_only: bool = False,
        last_only: bool = False,
        noisy: NoisyPairs | None = None,
    ) -> Outputs:
        """Runs CLIP and the head, see :meth:`GENHead.forward`."""
        seen = _Seen(self.clip.block_inputs(clip_images, self.num_blocks), last_only)
        return super().forward(memory, memory_pos, memory_mask, seen, seen_only, last_only, noisy)

    def _decode_interactions(
        self,
        human: Tensor,
        obj: Tensor,
        memory: Tensor,
        memory_pos: Tensor,
        memory_mask: Tensor | None,
        clip_images: _Seen,
        query_mask: Tensor | None = None,
    ) -> Tensor:
        """Interaction features of all layers, (L, B, Q, C) for ``'tokens'``, else (L, B, Q, D) in CLIP's space."""
        guides = self._interaction_pos(human, obj)
        if self.reads != 'blocks':
            tokens = self.token_proj(self.clip.visual.ln_post(clip_images.inputs[-1]))
            guides = self.interaction_decoder(guides, tokens, self.token_pos.expand_as(tokens), None, query_mask)
        if self.reads == 'tokens':
            return guides
        if clip_images.last_only:
            human, obj, guides = human[-1:], obj[-1:], guides[-1:]
        boxes = [self.human_box_mlp(human).sigmoid(), self.object_box_mlp(obj).sigmoid()]
        return self._read(self.query_proj(guides), clip_images, boxes)

    def _object_features(self, obj: Tensor, clip_images: _Seen) -> Tensor:
        if not self.object_gate:
            return obj
        boxes = [self.object_box_mlp(obj).sigmoid()]
        of_clip = normalize(self._read(self.object_query_proj(obj), clip_images, boxes), dim=-1)
        gate = self.gate(obj).sigmoid()
        return gate * normalize(self.object_proj(obj), dim=-1) + (1 - gate) * of_clip

    def _read(self, offsets: Tensor, seen: _Seen, boxes: list[Tensor]) -> Tensor:
        """Embeddings (L, B, N, D) of queries that are the class token plus offsets (L, B, N, W)."""
        layers, _, num_queries = offsets.shape[:3]
        # Queries do not see each other, so those of all layers are queries of one image.
        queries = seen.inputs[0][:, :1] + offsets.transpose(0, 1).flatten(1, 2)  # (B, LN, W)
        bias = None
        if self.box_bias is not None:
            covered = torch.stack([self._coverage(b.detach()) for b in boxes]).amax(0)  # (L, B, N, P)
            bias = (covered.transpose(0, 1).flatten(1, 2) - 1) * self.box_bias
        embeds = self.clip.read(queries, seen.inputs, bias)
        return embeds.unflatten(1, (layers, num_queries)).transpose(0, 1)

    def _coverage(self, boxes: Tensor) -> Tensor:
        """Share of every patch that a box covers, (..., P), from boxes (..., 4) cxcywh in [0, 1]."""
        rows, columns = self.clip.visual.grid_size
        x1, y1, x2, y2 = bbox_cxcywh_to_xyxy(boxes).unbind(-1)

        def along(start: Tensor, end: Tensor, cells: int) -> Tensor:
            edges = torch.arange(cells, device=boxes.device, dtype=boxes.dtype)
            overlap = torch.minimum(end[..., None] * cells, edges + 1) - torch.maximum(start[..., None] * cells, edges)
            return overlap.clamp(0, 1)

        return (along(y1, y2, rows)[..., :, None] * along(x1, x2, columns)[..., None, :]).flatten(-2)


def _near_zero(layer: nn.Linear) -> nn.Linear:
    """Starts a layer near zero: a query then starts as the class token."""
    nn.init.normal_(layer.weight, std=0.01)
    nn.init.zeros_(layer.bias)
    return layer
