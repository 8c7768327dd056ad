"""The head of Table 4a, which classifies verbs, and the control of Tables 3 and 4b."""

from collections.abc import Sequence
from typing import Any

import torch
from mmdet.registry import MODELS
from mmengine.structures import InstanceData
from torch import Tensor, nn
from torch.nn.functional import one_hot

from ..layers import LinearClassifier
from .gen_head import GENHead, Outputs


@MODELS.register_module()
class VerbGENHead(GENHead):
    """GENHead that classifies verbs instead of HOI classes: an HOI class scores as its verb.

    The classifier is a plain linear layer, since verbs have no text of their own. ``hoi_logits`` of the network's
    outputs, and so the matching and the loss, are those of the V verbs; a pair's label is the union of its classes' verbs.

    This is the paper's Base-verb, from which Table 4a takes away one guided embedding at a time:

    - Without 'p-GE' there is one query per pair instead of a human and an object query. Nothing has to tell which human
      belongs to which object, since both boxes and the object class are read from the same Q outputs of the instance
      decoder.
    - Without 'i-GE' the interaction queries are learned, the same for every image and layer. They carry the position
      guided embedding of their pair, which is then the only link between the decoders.

    Args:
        *args: See :class:`GENHead`.
        without (str, optional): The guided embedding to take away, 'p-GE' or 'i-GE'. Defaults to None.
        **kwargs: See :class:`GENHead`.

    Raises:
        ValueError: If ``hoi_text`` is asked for, or ``without`` is neither of the two.
    """

    def __init__(self, *args: Any, without: str | None = None, **kwargs: Any) -> None:
        if without not in (None, 'p-GE', 'i-GE'):
            raise ValueError(f"VerbGENHead: without={without!r} is unknown; it is 'p-GE', 'i-GE' or None.")
        self.without = without  # before the rest, which makes the queries
        super().__init__(*args, **kwargs)

    def _init_queries(self) -> None:
        if self.without == 'p-GE':
            self.instance_embed = nn.Embedding(self.num_queries, self.embed_dims)
            return
        super()._init_queries()
        if self.without == 'i-GE':
            self.interaction_embed = nn.Embedding(self.num_queries, self.embed_dims)

    def _decode_instances(
        self, memory: Tensor, memory_pos: Tensor, memory_mask: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        if self.without != 'p-GE':
            return super()._decode_instances(memory, memory_pos, memory_mask)
        pos = self.instance_embed.weight.expand(self.instance_decoder.num_layers, memory.shape[0], -1, -1)
        instances = self.instance_decoder(pos, memory, memory_pos, memory_mask)
        return instances, instances

    def _interaction_pos(self, human: Tensor, obj: Tensor) -> Tensor:
        if self.without != 'i-GE':
            return super()._interaction_pos(human, obj)
        return (self.interaction_embed.weight + self.pair_embed.weight).expand_as(human)

    def _init_classifiers(
        self, clip_dims: int, zero_shot: str | None, hoi_text: bool, obj_text: bool, hoi_prior: float | None
    ) -> None:
        if hoi_text:
            raise ValueError('VerbGENHead: verbs have no text to start a classifier from; set hoi_text=False.')
        super()._init_classifiers(clip_dims, zero_shot, hoi_text, obj_text, hoi_prior)
        self.hoi_classifier = LinearClassifier(self.embed_dims, self.vocabulary.num_verbs, prior=0.01)
        self.label_classes = list(self.vocabulary.seen(zero_shot))

    def loss_by_feat(
        self, outputs: Outputs, targets: Sequence[InstanceData], clip_images: Tensor | None = None
    ) -> dict[str, Tensor]:
        """Losses with the verbs of each pair as its labels, see :meth:`GENHead.loss_by_feat`."""
        class_verbs = one_hot(self.hoi_verbs[self.label_classes], self.vocabulary.num_verbs)
        verb_targets = []
        for target in targets:
            verbs = (target.hoi_labels @ class_verbs.to(target.hoi_labels)).clamp(max=1)
            verb_targets.append(InstanceData(**{**dict(target.items()), 'hoi_labels': verbs}))
        return super().loss_by_feat(outputs, verb_targets, clip_images)

    def predict_by_feat(self, outputs: Outputs, sizes: Sequence[tuple[int, int]]) -> list[InstanceData]:
        """Triplets of HOI classes from verb logits, see :meth:`GENHead.predict_by_feat`."""
        return super().predict_by_feat(dict(outputs, hoi_logits=outputs['hoi_logits'][..., self.hoi_verbs]), sizes)


@MODELS.register_module()
class RandomTextGENHead(GENHead):
    """GENHead whose text classifiers start from random directions: the control for what text embeddings add.

    Each HOI and object class gets a direction drawn evenly from the sphere, so that rows say nothing of which classes
    are alike. All else, the mimic loss included, is as in :class:`GENHead`.

    Args:
        *args: See :class:`GENHead`.
        **kwargs: See :class:`GENHead`.
    """

    def _initial_rows(self, prompts: Sequence[str]) -> Tensor:
        return torch.randn(len(prompts), self.clip_dims)
