"""Times a training step of a model, as a whole and by stage, beside a plain reading of it and mmdet's DETR.

All have random weights, the teacher too; nothing is downloaded. A call starts with images of 8 bits in memory and ends after the
optimiser. The plain reading has its own network, and the matching, losses and optimiser of the package. Half precision is
autocast for all, on a GPU with mmengine's `AmpOptimWrapper`.
"""

import copy
import functools
import logging
from collections.abc import Mapping
from typing import Any

import common
import open_clip
import torch
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmdet.structures.bbox import bbox_cxcywh_to_xyxy
from mmengine.optim import OptimWrapper, build_optim_wrapper
from mmengine.structures import InstanceData
from plain_model import PlainGENVLKT
from torch import Tensor, nn

from genvlkt_mmdet.engine import command
from genvlkt_mmdet.models.vlkt import CLIPSource, CLIPTeacher, build_teacher, image_transform
from genvlkt_mmdet.structures import HOIDataSample

PAIRS = 4  # of every image


def batch_of(setting: common.Setting, samples: list[DetDataSample]) -> dict[str, Any]:
    """A batch as a data loader gives it."""
    for sample in samples:
        sample.set_metainfo(dict(img_shape=setting.size, ori_shape=setting.size))
    return dict(inputs=setting.images(), data_samples=samples)


def relative_boxes(seed: int) -> Tensor:
    """Boxes of an image, cxcywh in [0, 1]."""
    return 0.3 + 0.3 * torch.rand(PAIRS, 4, generator=torch.Generator().manual_seed(seed))


def pixels(setting: common.Setting, boxes: Tensor) -> Tensor:
    """Boxes as xyxy pixels."""
    height, width = setting.size
    return bbox_cxcywh_to_xyxy(boxes) * torch.tensor([width, height, width, height])


def build_optimizer(setting: common.Setting, model: nn.Module, cfg: Mapping[str, Any]) -> OptimWrapper:
    """Optimiser of a config."""
    cfg = dict(cfg)
    if setting.half and setting.device.startswith('cuda'):
        cfg.update(type='AmpOptimWrapper', dtype=setting.dtype)
    logging.disable(logging.WARNING)  # it logs the settings of every parameter
    try:
        return build_optim_wrapper(model, cfg)
    finally:
        logging.disable(logging.NOTSET)


@functools.cache
def random_clip(model_name: str) -> nn.Module:
    """The image encoder of a CLIP model with random weights."""
    torch.manual_seed(0)
    return open_clip.create_model(model_name, load_weights=False).visual


def random_teacher(source: CLIPSource) -> CLIPTeacher:
    """A teacher with random weights."""
    return CLIPTeacher(copy.deepcopy(random_clip(source.model_name)), image_transform(source)['size'])


def build_genvlkt(setting: common.Setting) -> tuple[nn.Module, list[HOIDataSample], list[InstanceData]]:
    """The package's model with a teacher, samples, and their pairs in relative boxes."""
    model = common.build_model(setting.cfg, setting.device).train()
    head, side = model.bbox_head, None
    if head.loss_mimic is not None:
        source = CLIPSource.from_cfg(head.loss_mimic.clip)
        head.loss_mimic.teacher = build_teacher(source) if source.folder else random_teacher(source)
        side = head.loss_mimic.teacher.image_size
    samples, targets = [], []
    for i in range(setting.batch):
        humans, objects = relative_boxes(i), relative_boxes(1000 + i)
        labels = dict(
            hoi_labels=torch.eye(head.hoi_classifier.fc.out_features)[i : i + PAIRS],
            object_labels=torch.arange(PAIRS),
        )
        targets.append(InstanceData(human_boxes=humans, object_boxes=objects, **labels))
        sample = HOIDataSample()
        sample.gt_pairs = InstanceData(
            human_boxes=pixels(setting, humans), object_boxes=pixels(setting, objects), **labels
        )
        if side is not None:
            sample.clip_image = torch.rand(3, side, side, generator=torch.Generator().manual_seed(i))
        samples.append(sample)
    return model, samples, targets


def stages_of(
    preprocessor: nn.Module, forward: tuple[nn.Module, str], head: nn.Module, optimizer: OptimWrapper
) -> common.Stages:
    """The stages of a step; all heads have the same interface."""
    mimic = getattr(head, 'loss_mimic', None)
    return {
        'preprocessing': [(preprocessor, 'forward')],
        'forward': [forward],
        'matching': [(head.assigner, 'assign_batch' if hasattr(head.assigner, 'assign_batch') else 'assign')],
        'loss': [(head, 'loss_by_feat')],
        **({} if mimic is None else {'teacher': [(mimic.teacher, 'forward')]}),
        'backward': [(optimizer, 'backward')],
        'optimiser': [(optimizer, 'step'), (optimizer, 'zero_grad')],
    }


def step(setting: common.Setting, model: nn.Module, data: dict, optimizer: OptimWrapper) -> common.Candidate:
    """A training step of a detector of mmdet."""

    def call() -> None:
        with setting.autocast():
            model.train_step(data, optimizer)

    stages = stages_of(model.data_preprocessor, (model, 'loss'), model.bbox_head, optimizer)
    return common.Candidate(call, stages, (model.backbone, model.neck, model.encoder))


def genvlkt(setting: common.Setting) -> common.Candidate:
    """The package's model."""
    model, samples, _ = build_genvlkt(setting)
    data = batch_of(setting, samples)
    optimizer = build_optimizer(setting, model, setting.cfg.optim_wrapper)
    return step(setting, model, data, optimizer)


def detr(setting: common.Setting) -> common.Candidate:
    """The DETR of mmdet."""
    cfg = common.detr_config()
    model = common.build_model(cfg, setting.device).train()
    samples = [DetDataSample() for _ in range(setting.batch)]
    for i, sample in enumerate(samples):
        boxes = torch.cat([relative_boxes(i), relative_boxes(1000 + i)])
        sample.gt_instances = InstanceData(bboxes=pixels(setting, boxes), labels=torch.arange(2 * PAIRS))
    optimizer = build_optimizer(setting, model, cfg.optim_wrapper)
    return step(setting, model, batch_of(setting, samples), optimizer)


def plain(setting: common.Setting) -> common.Candidate:
    """The plain reading of the network, with the losses of the package."""
    packaged, samples, targets = build_genvlkt(setting)
    head = packaged.bbox_head
    model = PlainGENVLKT(setting.cfg.model, packaged.state_dict()).to(setting.device).train()
    preprocessor = MODELS.build(setting.cfg.model.data_preprocessor).to(setting.device)
    data, sizes = batch_of(setting, samples), [setting.size] * setting.batch
    targets = [target.to(setting.device) for target in targets]
    for module in head.loss_mimic.teacher.modules() if head.loss_mimic is not None else ():
        if isinstance(module, nn.Linear):
            module.__class__ = nn.Linear  # torch's own
    optimizer = build_optimizer(setting, model, setting.cfg.optim_wrapper)

    def call() -> None:
        batch = preprocessor(data, True)
        with setting.autocast(), optimizer.optim_context(model):
            outputs = model(batch['inputs'], sizes)
        clip_images = None
        if head.loss_mimic is not None:
            clip_images = torch.stack([sample.clip_image for sample in batch['data_samples']])
        outputs = {name: value.float() for name, value in outputs.items()}
        optimizer.update_params(sum(head.loss_by_feat(outputs, targets, clip_images).values()))

    stages = stages_of(preprocessor, (model, 'forward'), head, optimizer)
    return common.Candidate(call, stages)


CANDIDATES = {'genvlkt': genvlkt, 'plain': plain, 'DETR R-50': detr}


@command(OSError)
def main() -> None:
    """Entry point."""
    parser = common.parser(__doc__, batch_size=[2])
    parser.add_argument('--sizes', nargs='+', type=common.size, default=[(640, 800)])
    args = parser.parse_args()
    common.run('training', CANDIDATES, args, args.sizes)


if __name__ == '__main__':
    main()
