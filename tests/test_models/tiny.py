"""A GEN-VLKT small enough for unit tests, and what goes in and out of it."""

from collections.abc import Sequence
from typing import Any

import torch
from mmdet.registry import MODELS
from mmengine.structures import InstanceData
from torch import Tensor, nn

from genvlkt_mmdet.models import TextClassifier
from genvlkt_mmdet.structures import HOIDataSample
from genvlkt_mmdet.vocabulary import HOIVocabulary
from tests.shared import HICO_LIKE

CHANNELS = 32
CLIP_DIMS = 16

# HICO_LIKE with 'person only', as V-COCO has it; class 5 has no object.
VCOCO_LIKE = dict(
    HICO_LIKE,
    name='toy_person_only',
    hois=[*HICO_LIKE['hois'], dict(id=16, verb=1, object=3, prompt='a photo of a person riding')],
    object_prompts=['a person', 'a cup', 'a horse', 'a person only', 'nothing'],
)


def classes_of(count: int, seen: Sequence[int] = ()) -> HOIVocabulary:
    """A vocabulary of ``count`` HOI classes; its zero-shot split 'split' has the seen ones."""
    return HOIVocabulary.from_dict(
        dict(
            name='classes',
            objects=[dict(id=1, name='person')],
            verbs=[dict(id=i, name=f'verb{i}') for i in range(count)],
            hois=[dict(id=i, verb=i, object=0, prompt=f'class {i}') for i in range(count)],
            object_prompts=['a person', 'nothing'],
            splits=dict(split=[i for i in range(count) if i not in seen]),
        )
    )


def text_classifier(
    in_channels: int, clip_dims: int, count: int, seen: Sequence[int] | None = None, **kwargs
) -> TextClassifier:
    """A text classifier of ``count`` HOI classes, of which zero-shot training sees ``seen``."""
    vocabulary = classes_of(count, seen or ())
    split = None if seen is None else 'split'
    return TextClassifier(in_channels, vocabulary, 'hois', split, clip_dims=clip_dims, **kwargs)


@MODELS.register_module(force=True)
class PatchBackbone(nn.Module):
    """One convolution that cuts the image into 32 x 32 patches: no cell of its output sees another cell's pixels."""

    def __init__(self, channels: int = CHANNELS) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, channels, 32, stride=32)

    def forward(self, x: Tensor) -> tuple[Tensor]:
        return (self.conv(x),)


class Teacher(nn.Module):
    """A CLIP image encoder's interface on pooled pixels; counts how often it is asked."""

    def __init__(self, dims: int = CLIP_DIMS) -> None:
        super().__init__()
        self.proj = nn.Linear(3, dims)
        self.calls = 0

    def forward(self, images: Tensor) -> Tensor:
        self.calls += 1
        return self.proj(images.mean((2, 3)))


def layer_cfg(cross: bool, dropout: float = 0.0) -> dict[str, Any]:
    """Config of a transformer layer."""
    attention = dict(embed_dims=CHANNELS, num_heads=4, dropout=dropout)
    ffn = dict(embed_dims=CHANNELS, feedforward_channels=2 * CHANNELS, ffn_drop=dropout)
    return dict(self_attn_cfg=attention, ffn_cfg=ffn, **(dict(cross_attn_cfg=attention) if cross else {}))


# Weights of the paper.
LOSSES = dict(
    loss_hoi=dict(type='HOIFocalLoss', alpha=0.5, gamma=2.0, loss_weight=2.0),
    loss_obj=dict(type='CrossEntropyLoss', bg_cls_weight=0.1, loss_weight=1.0),
    loss_bbox=dict(type='L1Loss', loss_weight=2.5),
    loss_iou=dict(type='GIoULoss', loss_weight=1.0),
)
COSTS = [
    dict(type='HOIClassCost', weight=1.0),
    dict(type='HOIObjectClassCost', weight=1.0),
    dict(type='HOIPairL1Cost', weight=2.5),
    dict(type='HOIPairGIoUCost', weight=1.0),
]
TRAIN_CFG = dict(assigner=dict(type='HOIHungarianAssigner', match_costs=COSTS))


def mimic_cfg(**kwargs) -> dict[str, Any]:
    """Config of the mimic loss; its CLIP is not on this machine."""
    clip = dict(model_name='ViT-B-32-quickgelu', pretrained='weights-that-are-absent.pt')
    return dict(dict(type='VLKTLoss', clip=clip, loss_weight=20.0), **kwargs)


def head_cfg(
    vocabulary: 'dict | str' = HICO_LIKE,
    num_queries: int = 6,
    clip: dict | None = None,
    hoi_text: bool = True,
    obj_text: bool = True,
    **kwargs,
) -> dict[str, Any]:
    """Config of a small GENHead, without dropout."""
    text = dict(type='TextClassifier', clip=clip, clip_dims=CLIP_DIMS)
    own = dict(
        type='GENHead',
        vocabulary=vocabulary,
        num_queries=num_queries,
        embed_dims=CHANNELS,
        decoder=dict(num_layers=2, layer_cfg=layer_cfg(cross=True)),
        hoi_classifier=text if hoi_text else dict(type='LinearClassifier', prior=0.01),
        obj_classifier=text if obj_text else dict(type='LinearClassifier'),
        train_cfg=TRAIN_CFG,
        **LOSSES,
    )
    return own | kwargs


def detector_cfg(mimic: bool = True, backbone: dict | None = None, **kwargs) -> dict[str, Any]:
    """Config of a small GENVLKT; ``kwargs`` go to the head, ``train_cfg`` and the like to the detector."""
    own = {k: kwargs.pop(k) for k in ('train_cfg', 'test_cfg', 'pretrained_detr') if k in kwargs}
    if mimic:
        kwargs.setdefault('loss_mimic', mimic_cfg())
        kwargs.setdefault('clip', kwargs['loss_mimic']['clip'])
    head = head_cfg(**kwargs)
    own.setdefault('train_cfg', head.pop('train_cfg'))
    return dict(
        type='GENVLKT',
        data_preprocessor=dict(type='DetDataPreprocessor', mean=[0.0] * 3, std=[255.0] * 3, pad_size_divisor=1),
        backbone=backbone or dict(type='PatchBackbone'),
        neck=dict(
            type='ChannelMapper',
            in_channels=[CHANNELS],
            kernel_size=1,
            out_channels=CHANNELS,
            act_cfg=None,
            norm_cfg=None,
            num_outs=1,
        ),
        encoder=dict(num_layers=2, layer_cfg=layer_cfg(cross=False)),
        positional_encoding=dict(num_feats=CHANNELS // 2, normalize=True),
        bbox_head=head,
        **own,
    )


def build_detector(seed: int = 0, **kwargs) -> nn.Module:
    """A detector in eval mode with random weights that make its outputs differ from query to query."""
    torch.manual_seed(seed)
    model = MODELS.build(detector_cfg(**kwargs))
    if model.bbox_head.loss_mimic is not None:
        model.bbox_head.loss_mimic.teacher = Teacher()
    return model.eval()


def pairs(count: int, num_hois: int, object_labels: Sequence[int], size: tuple[int, int], seed: int) -> InstanceData:
    """Random pairs, xyxy pixels in an image of ``size`` (height, width)."""
    generator = torch.Generator().manual_seed(seed)
    height, width = size

    def boxes() -> Tensor:
        corners = torch.rand(count, 2, 2, generator=generator).sort(1).values * torch.tensor([width, height])
        return corners.flatten(1)

    hoi_labels = torch.zeros(count, num_hois)
    if count:
        hoi_labels[torch.arange(count), torch.randint(num_hois, (count,), generator=generator)] = 1
    return InstanceData(
        human_boxes=boxes(),
        object_boxes=boxes(),
        object_labels=torch.tensor(list(object_labels)[:count], dtype=torch.long),
        hoi_labels=hoi_labels,
    )


def sample(
    size: tuple[int, int], count: int = 2, num_hois: int = 5, ori_shape: tuple[int, int] | None = None, seed: int = 0
) -> HOIDataSample:
    """A data sample with ``count`` random pairs and a CLIP image."""
    result = HOIDataSample(metainfo=dict(img_shape=size, ori_shape=ori_shape or size, img_id=seed))
    result.gt_pairs = pairs(count, num_hois, [1, 2, 0, 2, 1, 0, 2, 2][:count], size, seed)
    result.clip_image = torch.rand(3, 8, 8, generator=torch.Generator().manual_seed(seed))
    return result


def batch(*samples: HOIDataSample) -> Tensor:
    """Random images of the samples' sizes, zero-padded right and below to one batch (B, 3, H, W)."""
    height, width = (max(s.img_shape[i] for s in samples) for i in (0, 1))
    inputs = torch.zeros(len(samples), 3, height, width)
    for image, s in zip(inputs, samples, strict=True):
        h, w = s.img_shape
        image[:, :h, :w] = torch.rand(3, h, w, generator=torch.Generator().manual_seed(s.img_id))
    return inputs
