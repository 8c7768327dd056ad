"""The head of Table 4a, which classifies verbs."""

from collections.abc import Mapping, Sequence
from typing import Any

from mmdet.registry import MODELS
from mmengine.structures import InstanceData
from torch import Tensor, nn
from torch.nn.functional import one_hot

from ..layers import NoisyPairs, PairDenoising
from .gen_head import GENHead, Outputs


@MODELS.register_module()
class VerbGENHead(GENHead):
    """GENHead that classifies verbs instead of HOI classes. The score of an HOI class is that of its verb.

    ``hoi_logits`` are those of the V verbs, also in matching and loss. The labels of a pair are the verbs of its HOI classes.

    This is the paper's Base-verb. Table 4a removes one guided embedding at a time:

    - Without 'p-GE' there is one query per pair instead of a human and an object query. Both boxes and the object class are
      predicted from the same Q outputs of the instance decoder, so human and object need no association.
    - Without 'i-GE' the interaction queries are learned, the same for every image and layer. Only the position guided
      embedding of a pair, which is added to them, connects the decoders.

    Args:
        *args: See :class:`GENHead`.
        hoi_classifier (dict): Config of the classifier of verbs, a :class:`LinearClassifier`.
        without (str, optional): The guided embedding to remove, 'p-GE' or 'i-GE'. Defaults to None.
        **kwargs: See :class:`GENHead`.

    Raises:
        ValueError: If ``hoi_classifier`` needs text, or ``without`` is neither of the two.
    """

    def __init__(
        self, *args: Any, hoi_classifier: Mapping[str, Any], without: str | None = None, **kwargs: Any
    ) -> None:
        if without not in (None, 'p-GE', 'i-GE'):
            raise ValueError(f"VerbGENHead: without={without!r} is unknown; it is 'p-GE', 'i-GE' or None.")
        self.without = without  # read by _init_queries()
        super().__init__(*args, hoi_classifier=hoi_classifier, **kwargs)
        # Building a classifier of HOI classes first keeps the random numbers that the published results started from.
        self.hoi_classifier = self._build_classifier(hoi_classifier, 'verbs')
        trained = list(self.vocabulary.seen(self.zero_shot))
        self.register_buffer(
            'class_verbs', one_hot(self.hoi_verbs[trained], self.vocabulary.num_verbs), persistent=False
        )

    def _build_denoising(self, cfg: Mapping[str, Any]) -> PairDenoising:
        if self.without is not None:
            raise ValueError(
                f"VerbGENHead: noisy queries need both guided embeddings, but without='{self.without}' removes one: set "
                'model.bbox_head.denoising=None or model.bbox_head.without=None.'
            )
        return super()._build_denoising(cfg)

    def _init_queries(self) -> None:
        if self.without == 'p-GE':
            self.instance_embed = nn.Embedding(self.num_queries, self.embed_dims)
            return
        super()._init_queries()
        if self.without == 'i-GE':
            self.interaction_embed = nn.Embedding(self.num_queries, self.embed_dims)

    def _decode_instances(
        self, memory: Tensor, memory_pos: Tensor, memory_mask: Tensor | None, noisy: NoisyPairs | None = None
    ) -> tuple[Tensor, Tensor]:
        if self.without != 'p-GE':
            return super()._decode_instances(memory, memory_pos, memory_mask, noisy)
        pos = self.instance_embed.weight.expand(self.instance_decoder.num_layers, memory.shape[0], -1, -1)
        instances = self.instance_decoder(pos, memory, memory_pos, memory_mask)
        return instances, instances

    def _interaction_pos(self, human: Tensor, obj: Tensor) -> Tensor:
        if self.without != 'i-GE':
            return super()._interaction_pos(human, obj)
        return (self.interaction_embed.weight + self.pair_embed.weight).expand_as(human)

    def loss_by_feat(
        self,
        outputs: Outputs,
        targets: Sequence[InstanceData],
        clip_images: Tensor | None = None,
        noisy: NoisyPairs | None = None,
    ) -> dict[str, Tensor]:
        """Losses as of :meth:`GENHead.loss_by_feat`, with the verbs of each pair as its labels."""
        verb_targets = []
        for target in targets:
            labels = target.hoi_labels
            class_verbs = self.class_verbs
            if labels.shape[1] == self.vocabulary.num_hois:  # with potential pairs, also in zero-shot training
                class_verbs = one_hot(self.hoi_verbs, self.vocabulary.num_verbs)
            verbs = (labels @ class_verbs.to(labels)).clamp(max=1)
            verb_targets.append(InstanceData(**{**dict(target.items()), 'hoi_labels': verbs}))
        return super().loss_by_feat(outputs, verb_targets, clip_images, noisy)

    def predict_by_feat(self, outputs: Outputs, sizes: Sequence[tuple[int, int]]) -> list[InstanceData]:
        """Triplets as of :meth:`GENHead.predict_by_feat`, from verb logits."""
        return super().predict_by_feat(dict(outputs, hoi_logits=outputs['hoi_logits'][..., self.hoi_verbs]), sizes)
