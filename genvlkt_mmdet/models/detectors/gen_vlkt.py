"""The GEN-VLKT detector."""

from collections.abc import Collection, Mapping, Sequence
from copy import deepcopy
from typing import Any

import torch
from mmdet.models.detectors import BaseDetector
from mmdet.models.layers import SinePositionalEncoding
from mmdet.registry import MODELS
from torch import Tensor, nn
from torch.nn.functional import interpolate

from ...converters import load_checkpoint, load_detr, read_detr
from ...structures import HOIDataSample
from ...vocabulary import HOIEntry, HOIReading, HOIVocabulary, OpenVocabulary
from ..layers import HOITransformerEncoder, TextClassifier
from ..layers.classifier import log_readings
from ..layers.folding import folded, forward_with_frozen_norm, has_frozen_norm
from ..vlkt import CLIPSetting

# Sizes of feature maps whose position encodings are kept: 1 MB each for GEN-VLKT-S
_KEPT_SIZES = 64


@MODELS.register_module()
class GENVLKT(BaseDetector):
    """GEN-VLKT: backbone, neck, transformer encoder and :class:`GENHead`.

    `GEN-VLKT: Simplify Association and Enhance Interaction Understanding for HOI Detection
    <https://arxiv.org/abs/2203.13954>`_, CVPR 2022.

    Args:
        backbone (dict): Config of the backbone.
        neck (dict): Config of the neck. Its last feature map, (B, C, H, W), is the encoder's input.
        encoder (dict): Arguments of :class:`HOITransformerEncoder`.
        positional_encoding (dict): Arguments of mmdet's ``SinePositionalEncoding``.
        bbox_head (dict): Config of the :class:`GENHead`.
        pretrained_detr (str, optional): Checkpoint of a DETR (facebookresearch's, mmdet's or DP-HOI's) with which
            ``init_weights()`` starts backbone, encoder, both decoders and both box MLPs (section 4.2). Defaults to None: a
            ResNet with frozen parts and without ``init_cfg`` starts from ImageNet, ``torchvision://resnet<depth>``. Any other
            backbone starts as its config says.
        channels_last (bool): Whether feature maps have their channels last in memory. Convolutions are then faster, on CPUs and
            GPUs. Defaults to True.
        activation_checkpointing (bool): Whether a training keeps only the outputs of blocks and layers, and computes what is
            inside them again for the gradients: less memory, more time. Defaults to False.
        compile (bool): Whether a training runs backbone and encoder through ``torch.compile``. Needs a C++ compiler, and minutes
            at the start. Defaults to False.
        train_cfg (dict, optional): ``train_cfg`` of the head.
        test_cfg (dict, optional): ``test_cfg`` of the head.
        data_preprocessor (dict, optional): Config of the data preprocessor.
        init_cfg (dict, optional): Initialisation config.

    Raises:
        ValueError: If neck, position encoding, encoder and head do not have the same number of channels.

    Attributes:
        needs_start (bool): Whether ``init_weights()`` reads the DETR or ImageNet's weights. False if a checkpoint replaces
            them.
    """

    def __init__(
        self,
        backbone: Mapping[str, Any],
        neck: Mapping[str, Any],
        encoder: Mapping[str, Any],
        positional_encoding: Mapping[str, Any],
        bbox_head: Mapping[str, Any],
        pretrained_detr: str | None = None,
        channels_last: bool = True,
        activation_checkpointing: bool = False,
        compile: bool = False,
        train_cfg: Mapping[str, Any] | None = None,
        test_cfg: Mapping[str, Any] | None = None,
        data_preprocessor: Mapping[str, Any] | None = None,
        init_cfg: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(data_preprocessor=data_preprocessor, init_cfg=init_cfg)
        self.pretrained_detr = pretrained_detr
        self._trained_meta: Mapping[str, Any] | None = None  # `dataset_meta` while an open vocabulary is set
        self.needs_start = True
        # Whether frozen parts of the backbone would stay random
        self._random_and_frozen = pretrained_detr is None and _is_frozen_resnet(backbone)
        if self._random_and_frozen and _has_imagenet_weights(backbone):
            address = f'torchvision://resnet{backbone["depth"]}'
            backbone = dict(backbone, init_cfg=dict(type='Pretrained', checkpoint=address))
            self._random_and_frozen = False
        self.backbone = MODELS.build(backbone)
        self.neck = MODELS.build(neck)
        self.encoder = HOITransformerEncoder(**encoder)
        self.positional_encoding = SinePositionalEncoding(**positional_encoding)
        self.bbox_head = MODELS.build(dict(**bbox_head, train_cfg=train_cfg, test_cfg=test_cfg))
        self._check_channels(neck, positional_encoding)
        self.channels_last = channels_last
        for module in self.modules() if activation_checkpointing else ():
            if hasattr(module, 'with_cp'):  # mmdet's backbones, and the encoder and decoders of this package
                module.with_cp = True
        self.compile_training = compile
        if compile:
            self.backbone.compile(dynamic=True)
            self.encoder.compile(dynamic=True)
        # Set by optimize_for_inference: the precision, and the backend of torch.compile
        self.inference_dtype: torch.dtype | None = None
        self.inference_backend: str | None = None
        self._forget_copies()
        self.register_load_state_dict_post_hook(_forget_copies)

    def _forget_copies(self) -> None:
        self._folded: tuple[nn.Module, nn.Module, nn.Module] | None = None
        self._positions: dict[tuple, Tensor] = {}

    def _check_channels(self, neck: Mapping[str, Any], positional_encoding: Mapping[str, Any]) -> None:
        channels = {
            'neck.out_channels': neck.get('out_channels'),
            'positional_encoding.num_feats x 2': 2 * positional_encoding['num_feats'],
            'encoder': self.encoder.embed_dims,
            'bbox_head.embed_dims': getattr(self.bbox_head, 'embed_dims', None),
        }
        channels = {name: number for name, number in channels.items() if number is not None}
        if len(set(channels.values())) > 1:
            found = ', '.join(f'{name} {number}' for name, number in channels.items())
            raise ValueError(f'GENVLKT: all parts must have the same number of channels, but they have: {found}.')

    def init_weights(self) -> None:
        """Initialises every part, then loads the pre-trained DETR.

        Raises:
            FileNotFoundError: If the DETR or CLIP is missing. The message says which file to bring.
            ValueError: If one of them does not fit, or frozen parts of the backbone would stay random.
        """
        if not self.needs_start:
            self.backbone.is_init = True
        self._check_backbone_start()
        super().init_weights()
        if self.pretrained_detr is not None and self.needs_start:
            load_detr(self, self.pretrained_detr)

    def expect_weights(self, names: Collection[str]) -> None:
        """Makes ``init_weights()`` read only what a checkpoint that is loaded afterwards does not have.

        Args:
            names (Collection[str]): Names of the model's weights that the checkpoint holds in the right shape.
        """
        missing = [n for n in self.state_dict() if n not in names and not n.endswith('num_batches_tracked')]
        missing = [n for n in missing if not n.startswith('bbox_head.denoising.')]  # it starts at random
        for name in ('hoi_classifier', 'obj_classifier', *(['clip'] if hasattr(self.bbox_head, 'clip') else [])):
            prefix = f'bbox_head.{name}.'
            getattr(self.bbox_head, name).is_init = not any(n.startswith(prefix) for n in missing)
            missing = [n for n in missing if not n.startswith(prefix)]
        self.needs_start = bool(missing)

    def check_files(self) -> None:
        """Checks the files that ``init_weights()`` and the first loss read. Call it on a model that is not used afterwards.

        Raises:
            FileNotFoundError: If a file is missing. The message says which one to bring.
            ValueError: If a file does not fit.
        """
        self._check_backbone_start()
        if self.needs_start and self.pretrained_detr is not None:
            read_detr(self, self.pretrained_detr)
        elif self.needs_start:
            init_cfg = getattr(self.backbone, 'init_cfg', None)
            if isinstance(init_cfg, Mapping) and init_cfg.get('type') == 'Pretrained':
                load_checkpoint(init_cfg['checkpoint'])
        for classifier in (self.bbox_head.hoi_classifier, self.bbox_head.obj_classifier):
            if isinstance(classifier, TextClassifier) and not classifier.is_init:
                classifier.init_class_weights()
        clip = getattr(self.bbox_head, 'clip', None)
        if clip is not None and not clip.is_init:
            clip.check_files()
        if self.bbox_head.loss_mimic is not None:
            self.bbox_head.loss_mimic.check_files()

    def _check_backbone_start(self) -> None:
        if self._random_and_frozen and self.needs_start:
            raise ValueError(
                'Without model.pretrained_detr the frozen parts of the backbone would stay random, and there are no weights '
                'of ImageNet for a ResNet of this shape: set model.pretrained_detr, model.backbone.init_cfg or load_from, '
                'or train the whole backbone (model.backbone.frozen_stages=-1 model.backbone.norm_cfg.requires_grad=True).'
            )

    def set_vocabulary(
        self, hois: Sequence[HOIEntry] | OpenVocabulary, clip: CLIPSetting | None = None
    ) -> tuple[HOIReading, ...]:
        """Predicts other HOI classes, seen in training or not, until :meth:`reset_vocabulary` is called.

        Trained classes keep their class weights. New ones get text embeddings. All trained objects remain, because the object
        label is the best of all objects. The weights in a checkpoint do not change. ``dataset_meta``, if the model has one,
        gets the names of the classes. A table of how the entries were read is logged.

        Args:
            hois (Sequence[str | tuple[str, str | None]]): The classes, in order: phrases such as
                ``'a person feeding a giraffe'`` and pairs such as ``('ride', 'horse')``, see
                :func:`genvlkt_mmdet.vocabulary.open_vocabulary`, or its result.
            clip (dict | KeptTextEncoder, optional): CLIP model that encodes new phrases. Only new phrases need it. Defaults to
                None: that of the HOI classifier.

        Returns:
            tuple[HOIReading]: How each entry was read: verb, object, prompt, and what is new.

        Raises:
            ValueError: If an entry cannot be read or is ambiguous, a classifier has no text, or there is no CLIP setting
                for new phrases.
            FileNotFoundError: If the CLIP weights are missing. The message says which file to bring.
        """
        readings = self.bbox_head.set_vocabulary(hois, clip)
        log_readings(readings)
        vocabulary = self.bbox_head.vocabulary
        meta = getattr(self, 'dataset_meta', None)
        if meta is not None:
            if self._trained_meta is None:
                self._trained_meta = meta
            self.dataset_meta = dict(meta, vocabulary=vocabulary, classes=vocabulary.object_names)
        return readings

    @property
    def trained_vocabulary(self) -> HOIVocabulary:
        """HOIVocabulary: The classes of the training."""
        return self.bbox_head.trained_vocabulary

    @property
    def clip(self) -> Mapping[str, Any] | None:
        """dict, optional: Setting of the CLIP model that encodes new phrases."""
        return getattr(self.bbox_head.hoi_classifier, 'clip', None)

    @property
    def readings(self) -> tuple[HOIReading, ...]:
        """tuple[HOIReading]: How the entries of the open vocabulary were read. Empty without one."""
        return self.bbox_head.readings

    def reset_vocabulary(self) -> None:
        """Predicts the classes of the training again, exactly as before :meth:`set_vocabulary`."""
        self.bbox_head.reset_vocabulary()
        if self._trained_meta is not None:
            self.dataset_meta, self._trained_meta = self._trained_meta, None

    def _apply(self, *args: Any, **kwargs: Any) -> 'GENVLKT':
        self._forget_copies()  # the weights move or change their type
        return super()._apply(*args, **kwargs)

    def train(self, mode: bool = True) -> 'GENVLKT':
        """Sets the mode. A training changes the weights, so the next prediction folds them again."""
        if mode:
            self._forget_copies()
        return super().train(mode)

    def __getstate__(self) -> dict[str, Any]:
        return dict(super().__getstate__(), _folded=None, _positions={})  # a copy makes its own

    def _encoding_parts(self) -> tuple[nn.Module, nn.Module, nn.Module]:
        """Backbone, neck and encoder: the model's own, or their copies for inference."""
        own = self.backbone, self.neck, self.encoder
        if self.training or self.inference_dtype is None:
            return own
        if self._folded is None:
            dtype = self.inference_dtype
            encoder = deepcopy(self.encoder).requires_grad_(False).to(dtype)
            encoder._compiled_call_impl = None
            self._folded = folded(self.backbone).to(dtype), folded(self.neck).to(dtype), encoder
            if self.inference_backend is not None:
                for part in self._folded:
                    part.compile(backend=self.inference_backend, dynamic=True, fullgraph=True)
        return self._folded

    def extract_feat(self, batch_inputs: Tensor) -> tuple[Tensor, ...]:
        """Feature maps of a batch, (B, C, H, W) each, from images (B, 3, H', W')."""
        backbone, neck, encoder = self._encoding_parts()
        # The preprocessor returns float32 images, also if the network has half precision.
        batch_inputs = batch_inputs.to(next(encoder.parameters()).dtype)
        if self.channels_last or backbone is not self.backbone:
            batch_inputs = batch_inputs.contiguous(memory_format=torch.channels_last)
        if has_frozen_norm(backbone) and not self.compile_training:
            return neck(forward_with_frozen_norm(backbone, batch_inputs))
        return neck(backbone(batch_inputs))

    def encode(
        self, batch_inputs: Tensor, batch_data_samples: Sequence[HOIDataSample] | None = None
    ) -> dict[str, Tensor | None]:
        """Runs backbone, neck and transformer encoder.

        Args:
            batch_inputs (Tensor): Normalised images, padded right and below, (B, 3, H', W').
            batch_data_samples (Sequence[HOIDataSample], optional): Samples with ``img_shape``. None: no image is padded.

        Returns:
            dict: Arguments of :meth:`GENHead.forward`. ``memory_mask`` is None if no image is padded.
        """
        return self._encode(self.extract_feat(batch_inputs)[-1], batch_inputs, batch_data_samples)

    def _encode(
        self, features: Tensor, batch_inputs: Tensor, batch_data_samples: Sequence[HOIDataSample] | None
    ) -> dict[str, Tensor | None]:
        mask = self._padding_mask(batch_inputs, batch_data_samples, features.shape[-2:])
        pos = self._memory_positions(features, mask)
        mask = mask if mask is None else mask.flatten(1)
        memory = self._encoding_parts()[2](features.flatten(2).transpose(1, 2), pos, mask)
        return dict(memory=memory, memory_pos=pos, memory_mask=mask)

    def _memory_positions(self, features: Tensor, mask: Tensor | None) -> Tensor:
        """Position encoding of the memory, (B, HW, C). Without padding, it depends on the size alone and is kept."""

        def encode(features: Tensor) -> Tensor:
            return self.positional_encoding(mask, features).flatten(2).transpose(1, 2).to(features.dtype)

        if mask is not None:
            return encode(features)
        key = (*features.shape[2:], features.dtype, features.device)
        if key not in self._positions:
            if len(self._positions) == _KEPT_SIZES:
                self._positions.clear()
            self._positions[key] = encode(features[:1])
        return self._positions[key].expand(len(features), -1, -1)

    @staticmethod
    def _padding_mask(
        inputs: Tensor, samples: Sequence[HOIDataSample] | None, feature_shape: torch.Size
    ) -> Tensor | None:
        shape = tuple(inputs.shape[-2:])
        if samples is None or all(tuple(s.img_shape[:2]) == shape for s in samples):
            return None
        mask = inputs.new_ones(len(inputs), 1, *shape)
        for image_mask, sample in zip(mask, samples, strict=True):
            height, width = sample.img_shape[:2]
            image_mask[:, :height, :width] = 0
        return interpolate(mask, size=feature_shape).squeeze(1).to(torch.bool)

    def loss(self, batch_inputs: Tensor, batch_data_samples: Sequence[HOIDataSample]) -> dict[str, Tensor]:
        """Losses of a batch, see :meth:`GENHead.loss_by_feat`."""
        encoded = self.encode(batch_inputs, batch_data_samples)
        return self.bbox_head.loss(**encoded, batch_data_samples=batch_data_samples)

    def predict(
        self, batch_inputs: Tensor, batch_data_samples: Sequence[HOIDataSample], rescale: bool = True
    ) -> list[HOIDataSample]:
        """Fills ``pred_hois`` of every sample, see :meth:`GENHead.predict`. Values that are not finite are a ValueError."""
        return self._predict(self.encode(batch_inputs, batch_data_samples), batch_data_samples, rescale)

    def predict_with_attention(
        self, batch_inputs: Tensor, batch_data_samples: Sequence[HOIDataSample], rescale: bool = True
    ) -> tuple[list[HOIDataSample], Tensor, Tensor]:
        """Predicts as :meth:`predict`, and returns where the queries of each pair look.

        This is the cross-attention of the last layer of each decoder, as mean over its heads. The instance decoder has a human
        query and an object query for a pair: their mean is taken. Hooks compute it, so :meth:`predict` is as fast as before.

        Args:
            batch_inputs (Tensor): Normalised images, padded right and below, (B, 3, H', W').
            batch_data_samples (Sequence[HOIDataSample]): Samples with ``img_shape`` and ``ori_shape``.
            rescale (bool): As in :meth:`GENHead.predict`.

        Returns:
            tuple: The samples with ``pred_hois``, the attention in the instance decoder, and in the interaction decoder. Both
            are (B, Q, h, w) with the (h, w) cells of the encoder's feature map. Each map sums to 1 and is 0 in padded cells.
        """
        features = self.extract_feat(batch_inputs)[-1]
        encoded = self._encode(features, batch_inputs, batch_data_samples)
        with self.bbox_head.recorded_attention() as weights:
            samples = self._predict(encoded, batch_data_samples, rescale)
        instance, interaction = (
            w.unflatten(1, (-1, self.bbox_head.num_queries)).mean(1).unflatten(-1, features.shape[-2:]) for w in weights
        )
        return samples, instance, interaction

    def _predict(
        self, encoded: dict[str, Tensor | None], batch_data_samples: Sequence[HOIDataSample], rescale: bool
    ) -> list[HOIDataSample]:
        results = self.bbox_head.predict(**encoded, batch_data_samples=batch_data_samples, rescale=rescale)
        for sample, result in zip(batch_data_samples, results, strict=True):
            # Without an object, its box is NaN: not checked.
            if not (result.scores.isfinite().all() and result.human_boxes.isfinite().all()):
                raise ValueError(
                    "The model's output is not finite (NaN or infinity): its weights are damaged, or its training has diverged."
                )
            sample.pred_hois = result
        return batch_data_samples

    def _forward(
        self, batch_inputs: Tensor, batch_data_samples: Sequence[HOIDataSample] | None = None
    ) -> dict[str, Tensor]:
        """Outputs of all layers, see :meth:`GENHead.forward`. In train mode, HOI logits are those of the seen classes."""
        encoded = self.encode(batch_inputs, batch_data_samples)
        clip_images = self.bbox_head.clip_images(batch_data_samples or ()) if self.bbox_head.reads_clip_images else None
        return self.bbox_head(**encoded, clip_images=clip_images, seen_only=self.training)


def _forget_copies(model: GENVLKT, incompatible_keys: Any) -> None:
    """Hook after weights were loaded. A function of the module, because a model can be pickled."""
    model._forget_copies()


def _is_frozen_resnet(backbone: Mapping[str, Any]) -> bool:
    """Whether a config is a ResNet with frozen parts and without initial weights."""
    frozen = backbone.get('frozen_stages', -1) >= 0 or not backbone.get('norm_cfg', {}).get('requires_grad', True)
    kind = getattr(backbone['type'], '__name__', backbone['type']).rsplit('.', 1)[-1]
    return kind == 'ResNet' and frozen and not (backbone.get('init_cfg') or backbone.get('pretrained'))


def _has_imagenet_weights(backbone: Mapping[str, Any]) -> bool:
    standard = dict(in_channels=3, stem_channels=None, base_channels=64, style='pytorch', deep_stem=False)
    return backbone['depth'] in (18, 34, 50, 101, 152) and all(
        backbone.get(key, value) == value for key, value in standard.items()
    )
