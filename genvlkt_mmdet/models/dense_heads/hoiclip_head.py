"""The head of HOICLIP, which reads what a frozen CLIP sees."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from mmdet.registry import MODELS, TASK_UTILS
from torch import Tensor, nn
from torch.nn.functional import normalize

from ..layers import FusionDecoder, TextClassifier, recorded_weights
from ..vlkt import CLIPTokens
from .gen_head import GENHead, Outputs


@MODELS.register_module()
class HOICLIPHead(GENHead):
    """GENHead whose interaction branch reads the tokens of a frozen CLIP.

    `HOICLIP: Efficient Knowledge Transfer for HOI Detection with Vision-Language Models
    <https://arxiv.org/abs/2303.15786>`_, CVPR 2023.

    Only the interaction branch differs. Its queries are the mean of human and object of the last instance layer, projected to the
    width of CLIP's tokens. They are the content of the queries, without positions. The fusion decoder reads CLIP's tokens and the
    memory of the transformer encoder, padding included, as in the authors' code. CLIP's own projection takes its outputs to CLIP's
    space, where a :class:`TextVerbClassifier` classifies them.

    The frozen CLIP image encoder is part of the model and its checkpoints.

    Additional symbols: K tokens, W their channels, S side of CLIP's image.

    Args:
        *args: See :class:`GENHead`.
        clip (dict): CLIP model whose image encoder is read, see :meth:`genvlkt_mmdet.models.vlkt.CLIPSource.from_cfg`.
        fusion_decoder (dict): Arguments of :class:`FusionDecoder`, with as many layers as ``decoder``. ``embed_dims`` is left out
            in ``layer_cfg``: it is the width of the tokens.
        clip_prior (dict, optional): Config of a :class:`CLIPPrior`, added to the scores of predictions. Defaults to None.
        **kwargs: See :class:`GENHead`.

    Raises:
        ValueError: If the decoders differ in their number of layers, or the prior is set without a text classifier.
    """

    reads_clip_images = True

    def __init__(
        self,
        *args: Any,
        clip: Mapping[str, Any],
        fusion_decoder: Mapping[str, Any],
        clip_prior: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        self._clip_cfg, self._fusion_cfg = clip, fusion_decoder  # read by _init_interactions()
        super().__init__(*args, **kwargs)
        self.clip_prior = clip_prior and TASK_UTILS.build(dict(dict(type='CLIPPrior'), **clip_prior))
        if self.clip_prior is not None and not isinstance(self.hoi_classifier, TextClassifier):
            raise ValueError('HOICLIPHead: clip_prior compares the image with texts, so hoi_classifier must have text.')

    def _init_interactions(self, decoder: Mapping[str, Any]) -> int:
        self.clip = CLIPTokens(self._clip_cfg)
        width = self.clip.width
        layer_cfg = {name: dict(part, embed_dims=width) for name, part in self._fusion_cfg['layer_cfg'].items()}
        self.fusion_decoder = FusionDecoder(**dict(self._fusion_cfg, layer_cfg=layer_cfg))
        layers = self.fusion_decoder.num_layers
        if layers != self.instance_decoder.num_layers:
            raise ValueError(
                f'HOICLIPHead: decoder has {self.instance_decoder.num_layers} layers and fusion_decoder {layers}: set both '
                'num_layers to the same number.'
            )
        self.query_proj, self.memory_proj = (
            nn.Sequential(nn.Linear(self.embed_dims, width), nn.LayerNorm(width)) for _ in range(2)
        )
        return self.clip.embed_dims

    @property
    def interaction_parts(self) -> dict[str, nn.Module]:
        """dict[str, nn.Module]: The parts of the interaction branch by their names in tables."""
        return {'CLIP image encoder': self.clip, 'fusion decoder': self.fusion_decoder}

    def forward(
        self,
        memory: Tensor,
        memory_pos: Tensor,
        memory_mask: Tensor | None = None,
        clip_images: Tensor | None = None,
        **kwargs: Any,
    ) -> Outputs:
        """Runs CLIP and the head, see :meth:`GENHead.forward`.

        Returns:
            dict: As of :meth:`GENHead.forward`, and ``clip_embeds`` (1, B, D), CLIP's embedding of the images, not normalised.
        """
        tokens, embeds = self.clip(clip_images)
        outputs = super().forward(memory, memory_pos, memory_mask, tokens, **kwargs)
        return dict(outputs, clip_embeds=embeds[None])

    def _decode_interactions(
        self,
        human: Tensor,
        obj: Tensor,
        memory: Tensor,
        memory_pos: Tensor,
        memory_mask: Tensor | None,
        clip_tokens: Tensor | None,
    ) -> Tensor:
        """Interaction features of all layers in CLIP's space, (L, B, Q, D)."""
        queries = self.query_proj((human[-1] + obj[-1]) / 2)
        return self.clip.project(self.fusion_decoder(queries, clip_tokens, self.memory_proj(memory)))

    @property
    def _attending_layers(self) -> tuple[nn.Module, nn.Module]:
        return self.instance_decoder.layers[-1], self.fusion_decoder.layers[-1]

    @contextmanager
    def recorded_attention(self) -> Iterator[list[Tensor]]:
        """Records where the queries look, see :meth:`GENHead.recorded_attention`. What they see in CLIP's tokens is left out."""
        with super().recorded_attention() as weights:
            yield weights
        del weights[1:2]  # the fusion layer attends to CLIP's tokens first, then to the memory

    def _scores(self, outputs: Outputs) -> Tensor:
        scores = super()._scores(outputs)
        if self.clip_prior is None:
            return scores
        cosines = normalize(outputs['clip_embeds'], dim=-1) @ self.hoi_classifier.text_rows.t()
        return scores + self.clip_prior(cosines)[:, None]
