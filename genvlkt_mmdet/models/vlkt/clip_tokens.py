"""The frozen CLIP image encoder whose tokens a decoder reads."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn

from ..kernels import linear, use_fast_kernels
from .clip_source import CLIPSource, image_transform


class CLIPTokens(BaseModule):
    """Frozen image encoder of a CLIP model that returns its tokens, as HOICLIP reads them.

    It is part of the model and of its checkpoints, so a checkpoint works without a file of CLIP weights. It is always in eval
    mode, and its weights have no gradients. ``init_weights()`` reads the weights. Before that they are random.

    A ViT of open_clip has a class token and a token per patch, all after its last norm (``ln_post``). A ResNet of OpenAI's kind
    has a token per cell of its last feature map.

    Args:
        clip (dict): The ``clip`` setting, see :meth:`CLIPSource.from_cfg`. A file of weights that it names can be missing until
            ``init_weights()``. A folder is needed for its config.

    Attributes:
        visual (nn.Module): open_clip's image encoder.
        image_size (int): Side S of its input in pixels.
        width (int): Channels W of a token.
        embed_dims (int): Width D of CLIP's embeddings.

    Raises:
        ValueError: If the image encoder is of another kind.
    """

    def __init__(self, clip: Mapping[str, Any]) -> None:
        super().__init__()
        from open_clip.modified_resnet import ModifiedResNet
        from open_clip.transformer import VisionTransformer

        self.source = CLIPSource.from_cfg(clip, need_weights=False)
        self.image_size = image_transform(self.source)['size']
        self.visual = self.source.build_image_encoder()
        self.is_vit = isinstance(self.visual, VisionTransformer) and self.visual.attn_pool is None
        if not self.is_vit and not isinstance(self.visual, ModifiedResNet):
            raise ValueError(
                f"The image encoder of the CLIP model '{self.source.label}' is a {type(self.visual).__name__} that has no tokens "
                "of the known kind: set clip to one of open_clip's own ViTs without attentional pooling, or to a ResNet."
            )
        self.width = self.visual.transformer.width if self.is_vit else self.visual.attnpool.v_proj.in_features
        self.embed_dims = self.visual.output_dim
        self.requires_grad_(False)
        self.train(False)
        use_fast_kernels(self.visual)

    def init_weights(self) -> None:
        """Reads the weights. See :meth:`CLIPSource.load_model` for errors."""
        self.visual.load_state_dict(self.source.load_model().visual.state_dict())
        self.is_init = True

    def check_files(self) -> None:
        """Raises a FileNotFoundError if the weights are not on this machine and cannot be downloaded."""
        self.source.need_weights()

    def train(self, mode: bool = True) -> 'CLIPTokens':
        """Stays in eval mode."""
        return super().train(False)

    @property
    def blocks(self) -> nn.ModuleList:
        """nn.ModuleList: Transformer blocks of a ViT, each from (B, 1 + P, W) to (B, 1 + P, W)."""
        return self.visual.transformer.resblocks

    def embed(self, images: Tensor) -> Tensor:
        """Input of the first block of a ViT: class token and P patches with their positions, (B, 1 + P, W).

        Raises:
            ValueError: If the images have another size than (3, S, S).
        """
        return self.visual._embeds(self._checked(images))

    @torch.no_grad()
    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Encodes images.

        Args:
            images (Tensor): (B, 3, S, S), normalised for the CLIP model.

        Returns:
            tuple[Tensor, Tensor]: Tokens, (B, K, W), and CLIP's embedding of the image, (B, D), not normalised. For a ViT-B/32,
            K is 50: the class token and 7 x 7 patches.

        Raises:
            ValueError: If the images have another size.
        """
        if self.is_vit:
            x = self.embed(images)
            for block in self.blocks:
                x = block(x)
            pooled, _ = self.visual._pool(x)
            return self.visual.ln_post(x), self.project(pooled)
        visual = self.visual
        x = visual.stem(self._checked(images))
        x = visual.layer4(visual.layer3(visual.layer2(visual.layer1(x))))
        return x.flatten(2).transpose(1, 2), visual.attnpool(x)

    @torch.no_grad()
    def block_inputs(self, images: Tensor, num_blocks: int) -> list[Tensor]:
        """Class token and patches as the last blocks of a ViT get them, for :meth:`read`.

        Args:
            images (Tensor): (B, 3, S, S), normalised for the CLIP model.
            num_blocks (int): Number of blocks k, from the last one.

        Returns:
            list[Tensor]: Inputs of the last k blocks, (B, 1 + P, W) each, and the output of the last one.
        """
        tokens = [self.embed(images)]
        for block in self.blocks:
            tokens.append(block(tokens[-1]))
        return tokens[len(self.blocks) - num_blocks :]

    def read(self, queries: Tensor, inputs: Sequence[Tensor], bias: Tensor | None = None) -> Tensor:
        """Runs queries through the last blocks of a ViT, in the place of the class token (SL-HOI's frozen blocks).

        A query attends to the patches and to itself, as the class token does. It does not change the tokens of CLIP, and
        queries do not see each other. So a query that starts as the class token ends as CLIP's embedding of the image. The
        weights are frozen. Gradients flow through them into the queries.

        Args:
            queries (Tensor): (B, N, W).
            inputs (Sequence[Tensor]): Inputs of the k blocks, see :meth:`block_inputs`.
            bias (Tensor, optional): Added to the attention logits of the patches, (B, N, P). Defaults to None.

        Returns:
            Tensor: Embeddings in CLIP's space, (B, N, D), not normalised.
        """
        blocks = self.blocks[len(self.blocks) - len(inputs) + 1 :]
        bias = bias if bias is None else bias[:, None]
        for block, tokens in zip(blocks, inputs[:-1], strict=True):
            attended = _attend_to_patches(block.attn, block.ln_1(queries), block.ln_1(tokens[:, 1:]), bias)
            queries = queries + block.ls_1(attended)
            queries = queries + block.ls_2(block.mlp(block.ln_2(queries)))
        return self.project(self.visual.ln_post(queries))

    def project(self, tokens: Tensor) -> Tensor:
        """CLIP's own projection of tokens to its embedding space, (..., W) to (..., D), with gradients for the tokens.

        For a ResNet, it is what the attention pool does to a token that it attends to alone.
        """
        if self.is_vit:
            return tokens @ self.visual.proj
        return self.visual.attnpool.c_proj(self.visual.attnpool.v_proj(tokens))

    def _checked(self, images: Tensor) -> Tensor:
        size = (3, self.image_size, self.image_size)
        if tuple(images.shape[1:]) != size:
            raise ValueError(
                f'The CLIP image encoder takes images of shape {size}, not {tuple(images.shape[1:])}: set the size of '
                f'MakeCLIPImage in every pipeline to {self.image_size}.'
            )
        return images.to(self.visual.conv1.weight.dtype)


def _attend_to_patches(attn: nn.MultiheadAttention, queries: Tensor, patches: Tensor, bias: Tensor | None) -> Tensor:
    """Attention of each query (B, N, W) to the patches (B, P, W) and to itself. The bias (B, 1, N, P) is of patches."""
    width = queries.shape[-1]
    weight, offset = attn.in_proj_weight, attn.in_proj_bias

    def heads(x: Tensor) -> Tensor:
        return x.unflatten(-1, (attn.num_heads, -1)).transpose(1, 2)  # (B, heads, N or P, W / heads)

    q, own_k, own_v = map(heads, linear(queries, weight, offset).chunk(3, dim=-1))
    k, v = map(heads, linear(patches, weight[width:], offset[width:]).chunk(2, dim=-1))
    q = q * q.shape[-1] ** -0.5
    logits = q @ k.transpose(-2, -1)
    logits = logits if bias is None else logits + bias
    own = (q * own_k).sum(-1, keepdim=True)
    to_patches, to_itself = torch.cat([logits, own], dim=-1).softmax(-1).split([k.shape[-2], 1], dim=-1)
    return attn.out_proj((to_patches @ v + to_itself * own_v).transpose(1, 2).flatten(2))
