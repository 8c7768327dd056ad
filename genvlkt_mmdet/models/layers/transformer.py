"""Encoder and decoder of the detector: DETR's layers, and a decoder with a query position per layer."""

import inspect

import torch
from mmcv.cnn import build_norm_layer
from mmcv.cnn.bricks.transformer import FFN
from mmdet.models.layers.transformer import (
    DetrTransformerDecoder,
    DetrTransformerDecoderLayer,
    DetrTransformerEncoder,
    DetrTransformerEncoderLayer,
)
from mmengine.model import ModuleList
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from ..kernels import use_fast_kernels
from .attention import FusedMultiheadAttention


class _FFN(FFN):
    """mmcv's FFN without its wrapper for old names of arguments, which older versions of torch cannot compile."""

    forward = inspect.unwrap(FFN.forward)


class _FusedLayer:
    """What both kinds of layers have in common: fused attention and post-norm."""

    def _init_layers(self) -> None:
        self.self_attn = FusedMultiheadAttention(**self.self_attn_cfg)
        if crosses := hasattr(self, 'cross_attn_cfg'):
            self.cross_attn = FusedMultiheadAttention(**self.cross_attn_cfg)
        self.embed_dims = self.self_attn.embed_dims
        self.ffn = _FFN(**self.ffn_cfg)
        use_fast_kernels(self)
        self.norms = ModuleList([build_norm_layer(self.norm_cfg, self.embed_dims)[1] for _ in range(2 + crosses)])


class HOIEncoderLayer(_FusedLayer, DetrTransformerEncoderLayer):
    """DETR encoder layer (post-norm) on fused attention."""


class HOIDecoderLayer(_FusedLayer, DetrTransformerDecoderLayer):
    """DETR decoder layer (post-norm) on fused attention."""


class _FusedStack:
    """What encoder and decoder have in common: layers on fused attention, DETR's initialisation, and checkpointing."""

    layer_type: type[nn.Module]
    with_cp = False  # whether a training computes the inside of a layer again for its gradients, to save memory

    def _run(self, layer: nn.Module, *args: Tensor, **kwargs: Tensor | None) -> Tensor:
        if self.with_cp and self.training:
            return checkpoint(layer, *args, use_reentrant=False, **kwargs)
        return layer(*args, **kwargs)

    def _init_layers(self) -> None:
        self.layers = ModuleList([self.layer_type(**self.layer_cfg) for _ in range(self.num_layers)])
        self.embed_dims = self.layers[0].embed_dims

    def init_weights(self) -> None:
        """Xavier initialisation of all matrices. Biases and norms keep torch's initialisation."""
        for parameter in self.parameters():
            if parameter.dim() > 1:
                nn.init.xavier_uniform_(parameter)
        self._is_init = True


class HOITransformerEncoder(_FusedStack, DetrTransformerEncoder):
    """DETR's transformer encoder on fused attention.

    Args:
        num_layers (int): Number of layers.
        layer_cfg (dict): Arguments of :class:`HOIEncoderLayer`, shared by all layers.
    """

    layer_type = HOIEncoderLayer

    def forward(self, query: Tensor, query_pos: Tensor, key_padding_mask: Tensor | None) -> Tensor:
        """Encodes features (B, HW, C) with positions of the same shape. The mask (B, HW) is True at padding, None without."""
        for layer in self.layers:
            query = self._run(layer, query, query_pos, key_padding_mask)
        return query


class GuidedDecoder(_FusedStack, DetrTransformerDecoder):
    """Transformer decoder with zero queries and a query position per layer (section 3.2 of the paper).

    The instance decoder gets the same positions in every layer (p-GE). The interaction decoder gets, in layer k, positions
    from the output of layer k of the instance decoder (i-GE).

    Args:
        num_layers (int): Number of layers L.
        layer_cfg (dict): Arguments of :class:`HOIDecoderLayer`, shared by all layers.
    """

    layer_type = HOIDecoderLayer

    def _init_layers(self) -> None:
        super()._init_layers()
        self.post_norm = build_norm_layer(self.post_norm_cfg, self.embed_dims)[1]

    def forward(self, query_pos: Tensor, memory: Tensor, memory_pos: Tensor, memory_mask: Tensor | None) -> Tensor:
        """Decodes.

        Args:
            query_pos (Tensor): Query positions of every layer, (L, B, N, C).
            memory (Tensor): Output of the encoder, (B, HW, C).
            memory_pos (Tensor): Its position encoding, (B, HW, C).
            memory_mask (Tensor, optional): True where the memory is padding, (B, HW). None: no padding.

        Returns:
            Tensor: Outputs of all layers after the final norm, (L, B, N, C).
        """
        query = torch.zeros_like(query_pos[0])
        outputs = []
        for layer, layer_pos in zip(self.layers, query_pos, strict=True):
            query = self._run(
                layer, query, memory, memory, query_pos=layer_pos, key_pos=memory_pos, key_padding_mask=memory_mask
            )
            outputs.append(self.post_norm(query))
        return torch.stack(outputs)


class FusionDecoderLayer(HOIDecoderLayer):
    """Decoder layer that reads two memories side by side (HOICLIP, section 3.2).

    Both cross-attentions start from the same normed queries and share their weights and the norm after them. Their results are
    added: ``norm(q + attend(q, a)) + norm(q + attend(q, b))``. There are no positions and no padding mask.
    """

    def forward(self, query: Tensor, tokens: Tensor, memory: Tensor) -> Tensor:
        """Decodes queries (B, N, C) with two memories (B, K, C) and (B, HW, C)."""
        query = self.norms[0](self.self_attn(query))
        query = sum(self.norms[1](self.cross_attn(query, key)) for key in (tokens, memory))
        return self.norms[2](self.ffn(query))


class FusionDecoder(GuidedDecoder):
    """Transformer decoder on :class:`FusionDecoderLayer`.

    Args:
        num_layers (int): Number of layers L.
        layer_cfg (dict): Arguments of :class:`FusionDecoderLayer`, shared by all layers.
    """

    layer_type = FusionDecoderLayer

    def forward(self, query: Tensor, tokens: Tensor, memory: Tensor) -> Tensor:
        """Decodes.

        Args:
            query (Tensor): Content of the queries, (B, N, C).
            tokens (Tensor): First memory, (B, K, C).
            memory (Tensor): Second memory, (B, HW, C).

        Returns:
            Tensor: Outputs of all layers after the final norm, (L, B, N, C).
        """
        outputs = []
        for layer in self.layers:
            query = self._run(layer, query, tokens, memory)
            outputs.append(self.post_norm(query))
        return torch.stack(outputs)
