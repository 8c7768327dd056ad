"""GENHead: guided-embedding network with an instance and an interaction decoder (section 3.2)."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from mmdet.registry import MODELS, TASK_UTILS
from mmdet.structures.bbox import bbox_cxcywh_to_xyxy, bbox_xyxy_to_cxcywh
from mmdet.utils import reduce_mean
from mmengine.model import BaseModule
from mmengine.structures import InstanceData
from torch import Tensor, nn
from torch.func import functional_call

from ...converters import current_name
from ...structures import HOIDataSample
from ...vocabulary import HOIEntry, HOIReading, HOIVocabulary, OpenVocabulary, load_vocabulary, open_vocabulary
from ..kernels import autocast_dtype
from ..layers import GuidedDecoder, NoisyPairs, PairDenoising, TextClassifier, extend_classifiers, recorded_weights
from ..task_modules import PairMatches, triplet_scores
from ..vlkt import CLIPSetting

Outputs = dict[str, Tensor]

_PER_QUERY = ('hoi_logits', 'obj_logits', 'human_boxes', 'object_boxes', 'hoi_embeds')


def _box_mlp(channels: int) -> nn.Sequential:
    # DETR's box head: three layers, ReLU between them.
    return nn.Sequential(
        nn.Linear(channels, channels), nn.ReLU(), nn.Linear(channels, channels), nn.ReLU(), nn.Linear(channels, 4)
    )


def _at_least_float32(values: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {
        key: value.to(torch.promote_types(value.dtype, torch.float32)) if value.is_floating_point() else value
        for key, value in values.items()
    }


@MODELS.register_module()
class GENHead(BaseModule):
    """Finds human-object pairs and their interactions in the memory of a transformer encoder.

    The instance decoder has a human query and an object query per pair. The two have the same index and share a position
    guided embedding (p-GE). In each layer, the query position of the interaction decoder is the mean of the two outputs of
    the instance decoder (i-GE).

    Symbols: B batch, Q queries, C channels, D CLIP width, L decoder layers, A HOI classes, O object logits.

    Args:
        vocabulary (str | dict): HOI vocabulary, see :func:`genvlkt_mmdet.vocabulary.load_vocabulary`. It determines A and O.
        decoder (dict): Arguments of :class:`GuidedDecoder`, for both decoders.
        hoi_classifier (dict): Config of the HOI classifier, a :class:`TextClassifier` or a :class:`LinearClassifier`.
        obj_classifier (dict): Config of the object classifier, likewise.
        loss_hoi (dict): Config of the HOI loss.
        loss_obj (dict): Config of the object loss. ``bg_cls_weight`` is the weight of 'nothing'.
        loss_bbox (dict): Config of the L1 loss of human and object boxes.
        loss_iou (dict): Config of the GIoU loss of human and object boxes.
        loss_mimic (dict, optional): Config of the :class:`VLKTLoss`. Defaults to None: no teacher.
        num_queries (int): Q. Defaults to 64.
        embed_dims (int): C. Defaults to 256.
        zero_shot (str, optional): Zero-shot split of the vocabulary. The loss then sees the seen classes only. Defaults to
            None: all classes are trained.
        denoising (dict, optional): Settings of the :class:`PairDenoising`. The training then decodes noisy queries of the
            annotated pairs, too. Prediction is the same. Defaults to None: no noisy queries.
        train_cfg (dict, optional): ``assigner``: config of the :class:`HOIHungarianAssigner`. Only the loss needs it.
        test_cfg (dict, optional): Config of the selection of triplets, :class:`TopHOITriplets` (the default ``type``) or
            :class:`VerbHOITriplets`.
        init_cfg (dict, optional): Initialisation config.

    Attributes:
        reads_clip_images (bool): Whether the network itself, and not only the mimic loss, reads the image that CLIP sees.

    Raises:
        ValueError: If a size is out of its range, or the width of the decoder is not ``embed_dims``.
        KeyError: If the vocabulary has no such zero-shot split.
    """

    reads_clip_images = False

    def __init__(
        self,
        vocabulary: 'str | Mapping[str, Any]',
        decoder: Mapping[str, Any],
        hoi_classifier: Mapping[str, Any],
        obj_classifier: Mapping[str, Any],
        loss_hoi: Mapping[str, Any],
        loss_obj: Mapping[str, Any],
        loss_bbox: Mapping[str, Any],
        loss_iou: Mapping[str, Any],
        loss_mimic: Mapping[str, Any] | None = None,
        num_queries: int = 64,
        embed_dims: int = 256,
        zero_shot: str | None = None,
        denoising: Mapping[str, Any] | None = None,
        train_cfg: Mapping[str, Any] | None = None,
        test_cfg: Mapping[str, Any] | None = None,
        init_cfg: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(init_cfg)
        sizes = {'num_queries': num_queries, 'embed_dims': embed_dims, 'decoder.num_layers': decoder.get('num_layers')}
        for name, value in sizes.items():
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise ValueError(f'{type(self).__name__}: {name} must be a whole number of at least 1, not {value!r}.')
        self.vocabulary = self.trained_vocabulary = load_vocabulary(vocabulary)
        self.zero_shot = zero_shot
        self.num_queries = num_queries
        self.embed_dims = embed_dims
        assigner = (train_cfg or {}).get('assigner')
        self.assigner = assigner and TASK_UTILS.build(assigner)
        self.triplet_selector = TASK_UTILS.build(dict(dict(type='TopHOITriplets'), **(test_cfg or {})))
        self._init_queries()
        self.instance_decoder = GuidedDecoder(**decoder)
        self.interaction_dims = self._init_interactions(decoder)
        if self.instance_decoder.embed_dims != embed_dims:
            raise ValueError(
                f'{type(self).__name__}: embed_dims is {embed_dims}, but the layers of its decoder have '
                f'{self.instance_decoder.embed_dims} channels: set both to the same number.'
            )
        self.human_box_mlp = _box_mlp(embed_dims)
        self.object_box_mlp = _box_mlp(embed_dims)
        self.hoi_classifier = self._build_classifier(hoi_classifier, 'hois')
        self.obj_classifier = self._build_classifier(obj_classifier, 'objects')
        self.loss_hoi = MODELS.build(loss_hoi)
        loss_obj = dict(loss_obj)
        class_weight = [1.0] * self.trained_vocabulary.num_object_logits
        class_weight[-1] = loss_obj.pop('bg_cls_weight', 1.0)
        self.loss_obj = MODELS.build(dict(**loss_obj, class_weight=class_weight))
        self.loss_bbox = MODELS.build(loss_bbox)
        self.loss_iou = MODELS.build(loss_iou)
        self.loss_mimic = loss_mimic and MODELS.build(loss_mimic)
        # Object and verb of every HOI class. The vocabulary determines them, so they are not in the checkpoint.
        self.register_buffer('hoi_objects', torch.empty(0, dtype=torch.long), persistent=False)
        self.register_buffer('hoi_verbs', torch.empty(0, dtype=torch.long), persistent=False)
        self._use(self.trained_vocabulary)
        # Built last, so that all other weights start as without it.
        self.denoising = None if denoising is None else self._build_denoising(denoising)

    def _build_denoising(self, cfg: Mapping[str, Any]) -> PairDenoising:
        seen = self.trained_vocabulary.seen(self.zero_shot)
        return PairDenoising(
            embed_dims=self.embed_dims,
            label_dims=self.obj_classifier.class_weights[0].shape[1],
            num_matching_queries=self.num_queries,
            object_labels={self.trained_vocabulary.hoi_objects[hoi] for hoi in seen},
            **cfg,
        )

    def _init_queries(self) -> None:
        self.human_embed = nn.Embedding(self.num_queries, self.embed_dims)
        self.object_embed = nn.Embedding(self.num_queries, self.embed_dims)
        self.pair_embed = nn.Embedding(self.num_queries, self.embed_dims)  # p-GE
        nn.init.uniform_(self.pair_embed.weight)

    def _init_interactions(self, decoder: Mapping[str, Any]) -> int:
        """Makes the parts of the interaction branch. Returns the number of channels of its features."""
        self.interaction_decoder = GuidedDecoder(**decoder)
        return self.embed_dims

    @property
    def interaction_parts(self) -> dict[str, nn.Module]:
        """dict[str, nn.Module]: The parts of the interaction branch by their names in tables."""
        return {'interaction decoder': self.interaction_decoder}

    def _build_classifier(self, cfg: Mapping[str, Any], classes: str) -> nn.Module:
        channels = self.embed_dims if classes == 'objects' else self.interaction_dims
        given = dict(in_channels=channels, vocabulary=self.trained_vocabulary, zero_shot=self.zero_shot)
        return MODELS.build(dict(cfg, **given, classes=classes))

    def _load_from_state_dict(self, state_dict: dict[str, Tensor], prefix: str, *args: Any, **kwargs: Any) -> None:
        # Checkpoints of earlier versions have other names.
        for name in [name for name in state_dict if name.startswith(prefix)]:
            state_dict[current_name(name)] = state_dict.pop(name)
        # Weights that only a training uses can be missing, and a model without noisy queries ignores them.
        if self.denoising is None:
            for name in [name for name in state_dict if name.startswith(f'{prefix}denoising.')]:
                del state_dict[name]
        else:
            for name, value in self.denoising.state_dict(prefix=f'{prefix}denoising.').items():
                state_dict.setdefault(name, value)
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)

    def set_vocabulary(
        self, hois: Sequence[HOIEntry] | OpenVocabulary, clip: CLIPSetting | None = None
    ) -> tuple[HOIReading, ...]:
        """Predicts other HOI classes until :meth:`reset_vocabulary` is called, see :meth:`GENVLKT.set_vocabulary`."""
        opened = open_vocabulary(self.trained_vocabulary, hois)
        extend_classifiers(self.hoi_classifier, self.obj_classifier, self.trained_vocabulary, opened, clip)
        self._use(opened.vocabulary, opened.readings)
        return opened.readings

    def reset_vocabulary(self) -> None:
        """Predicts the classes of the training again, exactly as before :meth:`set_vocabulary`."""
        for classifier in (self.hoi_classifier, self.obj_classifier):
            if isinstance(classifier, TextClassifier):
                classifier.reset()
        self._use(self.trained_vocabulary)

    def _use(self, vocabulary: HOIVocabulary, readings: tuple[HOIReading, ...] = ()) -> None:
        self.vocabulary = vocabulary
        self.readings = readings  # empty while no open vocabulary is set
        self.hoi_objects = self.hoi_objects.new_tensor(vocabulary.hoi_objects)
        self.hoi_verbs = self.hoi_verbs.new_tensor(vocabulary.hoi_verbs)

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
        """Runs both decoders, the box MLPs and the classifiers.

        Args:
            memory (Tensor): Output of the transformer encoder, (B, HW, C).
            memory_pos (Tensor): Its position encoding, (B, HW, C).
            memory_mask (Tensor, optional): True where the memory is padding, (B, HW).
            clip_images (Tensor, optional): Images as CLIP sees them, (B, 3, S, S), for a head with ``reads_clip_images``.
            seen_only (bool): Whether HOI logits are those of the seen classes, as in zero-shot training. Defaults to False.
            last_only (bool): Whether only the last layer has outputs, L = 1. Defaults to False.
            noisy (NoisyPairs, optional): N noisy queries to decode, too. Their outputs follow those of the Q others.

        Returns:
            dict: ``hoi_logits`` (L, B, Q, A), ``obj_logits`` (L, B, Q, O), ``human_boxes`` and ``object_boxes``
            (L, B, Q, 4) cxcywh in [0, 1] of the unpadded image, ``hoi_embeds`` (L, B, Q, D) before L2 normalisation.
        """
        encoded = (memory, memory_pos, memory_mask)
        human, obj = self._decode_instances(*encoded, noisy)  # (L, B, Q, C) each
        interactions = self._decode_interactions(human, obj, *encoded, clip_images, noisy and noisy.query_mask)
        if last_only:
            human, obj, interactions = human[-1:], obj[-1:], interactions[-1:]
        hoi_logits, hoi_embeds = self.hoi_classifier(interactions, seen_only)
        return dict(
            hoi_logits=hoi_logits,
            obj_logits=self.obj_classifier(self._object_features(obj, clip_images))[0],
            human_boxes=self.human_box_mlp(human).sigmoid(),
            object_boxes=self.object_box_mlp(obj).sigmoid(),
            hoi_embeds=hoi_embeds,
        )

    def _decode_instances(
        self, memory: Tensor, memory_pos: Tensor, memory_mask: Tensor | None, noisy: NoisyPairs | None = None
    ) -> tuple[Tensor, Tensor]:
        """Human and object features of all layers, (L, B, Q, C) each, or (L, B, Q + N, C) with noisy queries."""
        pair_pos, mask = self.pair_embed.weight, None
        pos = torch.cat([self.human_embed.weight + pair_pos, self.object_embed.weight + pair_pos])  # (2Q, C)
        if noisy is not None:
            human, obj = pos.expand(memory.shape[0], -1, -1).chunk(2, dim=1)
            guide = pair_pos[noisy.guides]
            pos = torch.cat([human, noisy.human_pos + guide, obj, noisy.object_pos + guide], dim=1)  # (B, 2Q + 2N, C)
            mask = noisy.query_mask.repeat(1, 2, 2)
        pos = pos.expand(self.instance_decoder.num_layers, memory.shape[0], -1, -1)
        human, obj = self.instance_decoder(pos, memory, memory_pos, memory_mask, mask).chunk(2, dim=2)
        return human, obj

    def _decode_interactions(
        self,
        human: Tensor,
        obj: Tensor,
        memory: Tensor,
        memory_pos: Tensor,
        memory_mask: Tensor | None,
        clip_images: Tensor | None,
        query_mask: Tensor | None = None,
    ) -> Tensor:
        """Interaction features of all layers, (L, B, Q, C), from the human and object features of all layers.

        ``query_mask`` is True where a query does not see another one, (B, Q, Q). None: all see all.
        """
        return self.interaction_decoder(self._interaction_pos(human, obj), memory, memory_pos, memory_mask, query_mask)

    def _object_features(self, obj: Tensor, clip_images: Tensor | None) -> Tensor:
        """Input of the object classifier, from the object features (L, B, Q, C) of the layers with outputs."""
        return obj

    def _interaction_pos(self, human: Tensor, obj: Tensor) -> Tensor:
        """Query positions of the interaction decoder (i-GE), (L, B, Q, C)."""
        return (human + obj) / 2

    @property
    def _attending_layers(self) -> tuple[nn.Module, nn.Module]:
        """The last layers of both decoders."""
        return self.instance_decoder.layers[-1], self.interaction_decoder.layers[-1]

    @contextmanager
    def recorded_attention(self) -> Iterator[list[Tensor]]:
        """Records where the queries look, in one forward pass inside the ``with`` block.

        Yields:
            list[Tensor]: Gets the cross-attention of the last layer of the instance decoder and of the interaction decoder, as
            mean over the heads, (B, N, HW) each. N is Q, or 2Q for a human query and an object query per pair.
        """
        # A compiled head would not notice the hooks.
        compiled, self._compiled_call_impl = self._compiled_call_impl, None
        try:
            with recorded_weights([layer.cross_attn for layer in self._attending_layers]) as weights:
                yield weights
        finally:
            self._compiled_call_impl = compiled

    def loss(
        self,
        memory: Tensor,
        memory_pos: Tensor,
        memory_mask: Tensor | None,
        batch_data_samples: Sequence[HOIDataSample],
    ) -> dict[str, Tensor]:
        """Losses of a batch, see :meth:`loss_by_feat`, from the arguments of :meth:`forward` and samples with ``gt_pairs``.

        Raises:
            RuntimeError: If an open vocabulary is set.
            ValueError: If there is no assigner, or the mimic loss is on and a sample has no ``clip_image``.
        """
        if self.assigner is None:
            raise ValueError('The loss needs a matching: set model.train_cfg.assigner.')
        if self.vocabulary is not self.trained_vocabulary:
            raise RuntimeError('An open vocabulary is set, for prediction: call reset_vocabulary() before training.')
        clip_images = None
        if self.reads_clip_images or self.loss_mimic is not None:
            clip_images = self.clip_images(batch_data_samples, autocast_dtype(memory))
        targets = [self._relative_pairs(sample) for sample in batch_data_samples]
        noisy = None
        if self.denoising is not None and self.training:
            noisy = self.denoising(targets, self.obj_classifier.class_weights[0])
        # With potential pairs, the labels of a zero-shot training have all classes.
        seen_only = any(s.gt_pairs.hoi_labels.shape[1] < self.vocabulary.num_hois for s in batch_data_samples)
        outputs = self(memory, memory_pos, memory_mask, clip_images, seen_only=seen_only, noisy=noisy)
        # Costs and losses add up small numbers, so they are not computed in half precision.
        with torch.autocast(memory.device.type, enabled=False):
            return self.loss_by_feat(_at_least_float32(outputs), targets, clip_images, noisy)

    def clip_images(
        self, batch_data_samples: Sequence[HOIDataSample], dtype: torch.dtype | None = None
    ) -> Tensor | None:
        """Stacks the images that CLIP sees.

        Args:
            batch_data_samples (Sequence[HOIDataSample]): Samples with ``clip_image``.
            dtype (torch.dtype, optional): Type of the result. Defaults to None: that of the samples.

        Returns:
            Tensor: (B, 3, S, S).

        Raises:
            ValueError: If a sample has none.
        """
        if not batch_data_samples or not all('clip_image' in sample for sample in batch_data_samples):
            if self.reads_clip_images:
                raise ValueError(
                    f'{type(self).__name__} needs the image that CLIP sees: put MakeCLIPImage into every pipeline.'
                )
            raise ValueError(
                'The mimic loss needs the image that CLIP sees: put MakeCLIPImage into the training pipeline, or set '
                'model.bbox_head.loss_mimic=None.'
            )
        images = torch.stack([sample.clip_image for sample in batch_data_samples])
        return images if dtype is None else images.to(dtype)

    @staticmethod
    def _relative_pairs(sample: HOIDataSample) -> InstanceData:
        pairs = sample.gt_pairs
        height, width = sample.img_shape[:2]
        size = pairs.human_boxes.new_tensor([width, height, width, height])
        return InstanceData(
            hoi_labels=pairs.hoi_labels,
            object_labels=pairs.object_labels,
            human_boxes=bbox_xyxy_to_cxcywh(pairs.human_boxes / size),
            # A pair without object has zeros or NaN. Costs and losses take zeros.
            object_boxes=bbox_xyxy_to_cxcywh(pairs.object_boxes / size).nan_to_num(0),
        )

    def loss_by_feat(
        self,
        outputs: Outputs,
        targets: Sequence[InstanceData],
        clip_images: Tensor | None = None,
        noisy: NoisyPairs | None = None,
    ) -> dict[str, Tensor]:
        """Losses of the network's outputs (section 3.4).

        Args:
            outputs (dict): Outputs of :meth:`forward`.
            targets (Sequence[InstanceData]): Pairs of the B images: ``hoi_labels`` (n, A), ``object_labels`` (n),
                ``human_boxes`` and ``object_boxes`` (n, 4), cxcywh in [0, 1], zeros without object.
            clip_images (Tensor, optional): (B, 3, S, S), for the mimic loss.
            noisy (NoisyPairs, optional): The noisy queries whose outputs follow those of the Q others.

        Returns:
            dict: ``loss_hoi, loss_obj, loss_human_bbox, loss_object_bbox, loss_human_iou, loss_object_iou`` and
            ``loss_mimic`` of the last layer, ``d0.loss_hoi`` ... of the earlier ones, all weighted. With noisy queries also
            ``dn_loss_hoi``, ``d0.dn_loss_hoi`` ..., the same without ``loss_mimic``.
        """
        pairs = InstanceData.cat(list(targets))
        losses = {}
        if noisy is not None:
            # A head can have outputs of the whole image too.
            outputs = {name: outputs[name] for name in _PER_QUERY}
            losses.update(self._noisy_losses(outputs, pairs, noisy))
            outputs = {name: values[:, :, : self.num_queries] for name, values in outputs.items()}
        matches = self.assigner.assign_batch(outputs, targets)
        sizes = torch.tensor([len(target.object_labels) for target in targets], device=matches.images.device)
        starts = sizes.cumsum(0) - sizes
        matched = pairs[starts[matches.images] + matches.pairs]  # (K, ...) each
        losses = {**self._pair_losses(outputs, matched, matches, sizes.sum()), **losses}
        if self.loss_mimic is not None:
            losses['loss_mimic'] = self.loss_mimic(outputs['hoi_embeds'], clip_images)
        last = len(outputs['hoi_logits']) - 1
        return {
            name if layer == last else f'd{layer}.{name}': value
            for name, values in losses.items()
            for layer, value in enumerate(values.unbind())
        }

    def _pair_losses(self, outputs: Outputs, matched: InstanceData, matches: PairMatches, num_pairs: Tensor) -> Outputs:
        """Losses of every layer, (L,), except the mimic loss, from the pair of each match."""
        hoi_labels = torch.zeros_like(outputs['hoi_logits'])
        hoi_labels[matches[:3]] = matched.hoi_labels.to(hoi_labels.dtype)
        return dict(
            loss_hoi=self.loss_hoi(outputs['hoi_logits'], hoi_labels),
            loss_obj=self._object_loss(outputs['obj_logits'], matched.object_labels, matches),
            **self._box_losses(outputs, matched, matches, num_pairs),
        )

    def _noisy_losses(self, outputs: Outputs, pairs: InstanceData, noisy: NoisyPairs) -> Outputs:
        """Losses of the real noisy queries of every layer, (L,). Which pair a query belongs to is known."""
        # The real queries of all images, as if they were those of one image: (L, 1, K, ...)
        real = {
            name: values[:, None, noisy.images, self.num_queries + noisy.queries] for name, values in outputs.items()
        }
        layers, device = len(outputs['hoi_logits']), noisy.queries.device
        count = noisy.num_positive
        queries = torch.arange(count, device=device).repeat(layers)
        matches = PairMatches(
            layers=torch.arange(layers, device=device).repeat_interleave(count),
            images=torch.zeros_like(queries),
            queries=queries,
            pairs=noisy.pairs[queries],
        )
        losses = self._pair_losses(real, pairs[matches.pairs], matches, torch.tensor(count, device=device))
        return {f'dn_{name}': self.denoising.loss_weight * values for name, values in losses.items()}

    def _object_loss(self, logits: Tensor, matched_labels: Tensor, matches: PairMatches) -> Tensor:
        labels = logits.new_full(logits.shape[:-1], logits.shape[-1] - 1, dtype=torch.long)  # 'nothing'
        labels[matches[:3]] = matched_labels
        loss = self.loss_obj(logits.flatten(0, -2), labels.flatten(), reduction_override='none')
        weight = logits.new_tensor(self.loss_obj.class_weight)[labels]
        return loss.view_as(labels).flatten(1).sum(1) / weight.flatten(1).sum(1).clamp(min=1e-4)  # 0 without queries

    def _box_losses(self, outputs: Outputs, matched: InstanceData, matches: PairMatches, num_pairs: Tensor) -> Outputs:
        mean_pairs = reduce_mean(num_pairs.to(outputs['human_boxes'].dtype)).clamp(min=1)

        def per_layer(values: Tensor) -> Tensor:
            return values.new_zeros(len(outputs['human_boxes'])).index_add(0, matches.layers, values)

        losses = {}
        for part in ('human', 'object'):
            boxes = outputs[f'{part}_boxes']
            if not len(matched):  # DDP needs a gradient for the box MLPs in every step
                losses[f'loss_{part}_bbox'] = losses[f'loss_{part}_iou'] = boxes.flatten(1).sum(1) * 0
                continue
            pred = boxes[matches[:3]]
            target = matched[f'{part}_boxes'].to(pred.dtype)
            exists = pred.new_ones(len(pred)) if part == 'human' else target.ne(0).any(1).to(pred.dtype)
            norm = mean_pairs if part == 'human' else per_layer(exists) + 1e-4
            distance = self.loss_bbox(pred, target, reduction_override='none').sum(1)
            overlap = self.loss_iou(bbox_cxcywh_to_xyxy(pred), bbox_cxcywh_to_xyxy(target), reduction_override='none')
            losses[f'loss_{part}_bbox'] = per_layer(distance * exists) / norm
            losses[f'loss_{part}_iou'] = per_layer(overlap * exists) / norm
        return losses

    def predict(
        self,
        memory: Tensor,
        memory_pos: Tensor,
        memory_mask: Tensor | None,
        batch_data_samples: Sequence[HOIDataSample],
        rescale: bool = True,
    ) -> list[InstanceData]:
        """Triplets of every image, see :meth:`predict_by_feat`, from the arguments of :meth:`forward`.

        The head computes in float32 (or float64), also under automatic mixed precision and in a model that was cast to
        half precision: there, a box from 0 to 1 has steps of up to 0.3 pixels (float16) or 2.5 pixels (bfloat16) in an
        image of 640 pixels, and many scores are equal. Boxes are in pixels of the original image (``ori_shape``) with
        ``rescale``, and of the network input (``img_shape``) without.
        """
        state = dict([*self.named_parameters(), *self.named_buffers()])
        weights = _at_least_float32(state)
        arguments = _at_least_float32(dict(memory=memory, memory_pos=memory_pos))
        arguments.update(memory_mask=memory_mask, last_only=True)
        if self.reads_clip_images:
            arguments.update(clip_images=self.clip_images(batch_data_samples))
        with torch.autocast(memory.device.type, enabled=False):
            if all(weights[name] is value for name, value in state.items()):
                outputs = self(**arguments)
            else:
                outputs = functional_call(self, weights, kwargs=arguments)
        sizes = [(s.ori_shape if rescale else s.img_shape)[:2] for s in batch_data_samples]
        return self.predict_by_feat({key: value[-1] for key, value in outputs.items()}, sizes)

    def _scores(self, outputs: Outputs) -> Tensor:
        """Score of every query and HOI class, (B, Q, A), from the outputs of one layer."""
        return triplet_scores(outputs['hoi_logits'], outputs['obj_logits'], self.hoi_objects)

    def predict_by_feat(self, outputs: Outputs, sizes: Sequence[tuple[int, int]]) -> list[InstanceData]:
        """Triplets from the outputs of one layer (section 3.5), selected as ``test_cfg`` says.

        Args:
            outputs (dict): ``hoi_logits`` (B, Q, A), ``obj_logits`` (B, Q, O), ``human_boxes`` and ``object_boxes``
                (B, Q, 4), cxcywh in [0, 1].
            sizes (Sequence[tuple[int, int]]): Height and width of the B images in pixels.

        Returns:
            list[InstanceData]: The triplets of each image, highest score first: ``human_boxes``, ``object_boxes`` (xyxy
            pixels, not clipped, NaN where the pair has no object), ``object_labels``, ``hoi_labels``, ``scores`` (in
            [0, 2]) and ``query_ids``.
        """
        outputs = _at_least_float32(outputs)
        scores = self._scores(outputs)
        scale = scores.new_tensor([[width, height, width, height] for height, width in sizes])[:, None]
        boxes = torch.stack([outputs['human_boxes'], outputs['object_boxes']])
        human_boxes, object_boxes = bbox_cxcywh_to_xyxy(boxes) * scale  # (B, Q, 4) each
        object_labels = outputs['obj_logits'][..., :-1].argmax(-1)
        images, queries, hois = self.triplet_selector(scores, human_boxes, object_boxes, object_labels, self.hoi_verbs)
        labels = object_labels[images, queries]
        no_object = (labels == self.vocabulary.no_object)[:, None]
        triplets = dict(
            human_boxes=human_boxes[images, queries],
            object_boxes=object_boxes[images, queries].masked_fill(no_object, float('nan')),
            object_labels=labels,
            hoi_labels=hois,
            scores=scores[images, queries, hois],
            query_ids=queries,
        )
        counts = images.bincount(minlength=len(sizes)).tolist()
        parts = zip(*(values.split(counts) for values in triplets.values()), strict=True)
        return [InstanceData(**dict(zip(triplets, part))) for part in parts]
