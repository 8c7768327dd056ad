"""Multi-head attention on ``scaled_dot_product_attention``."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from mmcv.cnn.bricks.transformer import MultiheadAttention
from torch import Tensor, nn

from ..kernels import attention, linear


class FusedMultiheadAttention(MultiheadAttention):
    """mmcv's attention block with residual and positions; parameters have the same names and shapes.

    It never computes the attention weights on their own, for which mmcv's block asks and which it throws away.

    Args:
        embed_dims (int): Number of channels C.
        num_heads (int): Number of heads.
        dropout (float): Dropout of the attention weights and of the block's output. Defaults to 0.
        batch_first (bool): True, as mmdet's layers set it. No other order is supported.
    """

    def __init__(self, embed_dims: int, num_heads: int, dropout: float = 0.0, batch_first: bool = True) -> None:
        super().__init__(
            embed_dims,
            num_heads,
            attn_drop=dropout,
            dropout_layer=dict(type='Dropout', drop_prob=dropout),
            batch_first=batch_first,
        )
        # Drawn a second time, so that the initial weights of a seed stay those of earlier versions.
        self.attn = nn.MultiheadAttention(embed_dims, num_heads, dropout, batch_first=batch_first)

    def forward(
        self,
        query: Tensor,
        key: Tensor | None = None,
        value: Tensor | None = None,
        query_pos: Tensor | None = None,
        key_pos: Tensor | None = None,
        attn_mask: Tensor | None = None,
        key_padding_mask: Tensor | None = None,
        **kwargs,
    ) -> Tensor:
        """Attends to keys, or to the queries themselves, and adds the result to the queries.

        Args:
            query (Tensor): (B, N, C).
            key (Tensor, optional): (B, K, C). None: the queries.
            value (Tensor, optional): (B, K, C). None: the keys without their positions.
            query_pos (Tensor, optional): Added to the queries before they are projected, (B, N, C).
            key_pos (Tensor, optional): Added to the keys, (B, K, C). None: ``query_pos``, if there is no ``key``.
            attn_mask (Tensor, optional): True where a query does not see a key, (B, N, K). Each query sees at least one.
            key_padding_mask (Tensor, optional): True where a key is padding, (B, K).
            **kwargs: Not used.

        Returns:
            Tensor: (B, N, C).
        """
        if key is None or key is query:
            key, key_pos = query, query_pos if key_pos is None else key_pos
        value = key if value is None else value
        q, k = self._queries_and_keys(query, key, query_pos, key_pos)
        dims = self.embed_dims
        v = linear(value, self.attn.in_proj_weight[2 * dims :], self.attn.in_proj_bias[2 * dims :])
        mask = None if key_padding_mask is None else ~key_padding_mask[:, None, None]
        if attn_mask is not None:
            mask = ~attn_mask[:, None] if mask is None else mask & ~attn_mask[:, None]
        dropout = self.attn.dropout if self.training else 0.0
        attended = attention(q, k, self._heads(v), mask, dropout)
        attended = attended.transpose(1, 2).flatten(2)
        return query + self.dropout_layer(self.proj_drop(self.attn.out_proj(attended)))

    def _queries_and_keys(
        self, query: Tensor, key: Tensor, query_pos: Tensor | None, key_pos: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Projected queries (B, heads, N, C / heads) and keys (B, heads, K, C / heads)."""
        query_in = query if query_pos is None else query + query_pos
        key_in = query_in if key is query and key_pos is query_pos else key if key_pos is None else key + key_pos
        weight, bias = self.attn.in_proj_weight, self.attn.in_proj_bias
        dims = self.embed_dims
        if key_in is query_in:
            q, k = linear(query_in, weight[: 2 * dims], bias[: 2 * dims]).chunk(2, dim=-1)
        else:
            q = linear(query_in, weight[:dims], bias[:dims])
            k = linear(key_in, weight[dims : 2 * dims], bias[dims : 2 * dims])
        return self._heads(q), self._heads(k)

    def _heads(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.num_heads, -1)).transpose(1, 2)

    def cross_weights(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor | None = None,
        query_pos: Tensor | None = None,
        key_pos: Tensor | None = None,
        key_padding_mask: Tensor | None = None,
        **kwargs,
    ) -> Tensor:
        """The attention weights of :meth:`forward` with the same arguments, without dropout, as mean over the heads.

        Returns:
            Tensor: (B, N, K). Each row sums to 1 and is 0 where a key is padding.
        """
        q, k = self._queries_and_keys(query, key, query_pos, key_pos)
        logits = q @ k.transpose(-2, -1) * q.shape[-1] ** -0.5  # (B, heads, N, K)
        if key_padding_mask is not None:
            logits = logits.masked_fill(key_padding_mask[:, None, None], float('-inf'))
        return logits.softmax(-1).mean(1)


@contextmanager
def recorded_weights(attentions: Sequence[FusedMultiheadAttention]) -> Iterator[list[Tensor]]:
    """Records the attention weights of blocks of cross-attention in the forward passes inside the ``with`` block.

    Hooks compute them, so that nothing is computed or kept at other times.

    Args:
        attentions (Sequence[FusedMultiheadAttention]): The blocks.

    Yields:
        list[Tensor]: Gets :meth:`FusedMultiheadAttention.cross_weights` of each call, in the order of the calls.
    """
    weights: list[Tensor] = []

    def record(block: FusedMultiheadAttention, args: tuple, kwargs: dict) -> None:
        with torch.no_grad():
            weights.append(block.cross_weights(*args, **kwargs))

    hooks = [block.register_forward_pre_hook(record, with_kwargs=True) for block in attentions]
    try:
        yield weights
    finally:
        for hook in hooks:
            hook.remove()
