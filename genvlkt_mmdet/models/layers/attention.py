"""Multi-head attention on ``scaled_dot_product_attention``."""

from mmcv.cnn.bricks.transformer import MultiheadAttention
from torch import Tensor, nn


class _FusedAttention(nn.MultiheadAttention):
    """``nn.MultiheadAttention`` without attention weights, so that torch uses ``scaled_dot_product_attention``.

    mmcv's wrapper requests the weights and does not use them.
    """

    def forward(self, query: Tensor, key: Tensor, value: Tensor, **kwargs) -> tuple[Tensor, None]:
        return super().forward(query, key, value, need_weights=False, **kwargs)


class FusedMultiheadAttention(MultiheadAttention):
    """mmcv's attention block with residual and positions. Parameters have the same names and shapes.

    Args:
        embed_dims (int): Number of channels C.
        num_heads (int): Number of heads.
        dropout (float): Dropout of the attention weights and of the block's output. Defaults to 0.
        batch_first (bool): Whether inputs are (B, N, C). Defaults to True.
    """

    def __init__(self, embed_dims: int, num_heads: int, dropout: float = 0.0, batch_first: bool = True) -> None:
        super().__init__(
            embed_dims,
            num_heads,
            attn_drop=dropout,
            dropout_layer=dict(type='Dropout', drop_prob=dropout),
            batch_first=batch_first,
        )
        self.attn = _FusedAttention(embed_dims, num_heads, dropout)
