"""Models with the fixtures' weights, and their outputs: made once per configuration, for all tests of this folder."""

import json
from functools import cached_property
from pathlib import Path

import numpy as np
import pytest
import torch
from mmdet.registry import MODELS
from mmdet.structures.bbox import bbox_cxcywh_to_xyxy
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.structures import InstanceData
from torch import nn

from genvlkt_mmdet.converters import convert_official, load_strictly
from genvlkt_mmdet.structures import HOIDataSample

from ..shared import shared_path
from . import formulas

CONFIGS = Path(__file__).resolve().parents[2] / 'configs'
CONFIG_OF = {
    'hico_s': 'gen_vlkt_s_hico.py',
    'vcoco_s': 'gen_vlkt_s_vcoco.py',
    'hico_s_zs_rf': 'zero_shot/gen_vlkt_s_hico_rf_uc.py',
    'hico_l': 'gen_vlkt_l_hico.py',
}


def configurations(*names):
    """Parameters of the ``reference`` fixture; one process makes all tests of a configuration, where there are several."""
    marked = [pytest.param(name, marks=pytest.mark.xdist_group(name)) for name in names]
    return pytest.mark.parametrize('reference', marked, indirect=True)


# These differ in the classifiers alone: what comes before has the same weights and images, and its arrays are stored once.
SMALL = ('hico_s', 'vcoco_s', 'hico_s_zs_rf')


def load_npz(name):
    return dict(np.load(shared_path('reference', f'{name}.npz')))


def load_forward(name):
    """What the authors' network gave for the images 'main'."""
    return (load_npz('forward_s') if name in SMALL else {}) | load_npz(f'forward_{name}')


def load_json(name):
    return json.loads(shared_path('reference', f'{name}.json').read_text())


class Teacher(nn.Module):
    """The fixtures' stand-in for the CLIP image encoder."""

    def forward(self, images):
        return torch.from_numpy(formulas.teacher_features(images.numpy()))


def sums(array):
    """What the fixtures record of an array: its sum, the sum of absolute values, the first element."""
    array = array.astype(np.float64)
    return array.sum(), np.abs(array).sum(), array.flat[0]


class Reference:
    """One configuration: its model with the authors' weights, its fixtures, and what the model makes of them."""

    def __init__(self, name):
        init_default_scope('mmdet')
        self.name = name
        self.cfg = Config.fromfile(CONFIGS / CONFIG_OF[name])
        self.manifest = load_json(f'manifest_{name}')
        official = {key: formulas.tensor(key, entry['shape']) for key, entry in self.manifest.items()}
        self.sums = {key: sums(value) for key, value in official.items()}
        weights, unknown = convert_official({key: torch.as_tensor(value) for key, value in official.items()})
        assert not unknown
        self.model = MODELS.build(self.cfg.model).eval()
        load_strictly(self.model, weights, name, CONFIG_OF[name])
        if self.model.bbox_head.loss_mimic is not None:
            self.model.bbox_head.loss_mimic.teacher = Teacher()

    def batch(self, forward, tag):
        """Zero-padded images (B, 3, H, W) and their samples."""
        sizes = forward['sizes'].tolist()
        images = torch.zeros(len(sizes), 3, *forward['sizes'].max(0))
        samples = []
        for i, (height, width) in enumerate(sizes):
            image = formulas.image(tag, i, height, width)
            images[i, :, :height, :width] = torch.from_numpy(image)
            samples.append(HOIDataSample(metainfo=dict(img_shape=(height, width), ori_shape=(height, width))))
        return images, samples

    @cached_property
    def forward(self):
        return load_forward(self.name)

    @cached_property
    def main(self):
        """The batch of the images 'main'."""
        return self.batch(self.forward, 'main')

    @cached_property
    def encoded(self):
        return self.model.encode(*self.main)

    @cached_property
    def outputs(self):
        """Outputs of all layers, as in training; with the graph, so that every loss case uses one forward pass."""
        return self.model.bbox_head(**self.encoded, seen_only=True)

    def targets(self, arrays, case):
        """Annotated pairs of a loss case, cxcywh in [0, 1]."""
        columns = self.outputs['hoi_logits'].shape[-1]
        result = []
        for i in range(len(self.main[1])):
            prefix = f'{case}/target/img{i}/'
            labels = torch.from_numpy(arrays[prefix + 'obj_labels']).long()
            hoi_labels = torch.zeros(len(labels), columns)
            hoi_labels[tuple(arrays[prefix + 'hoi_pairs'].reshape(-1, 2).T)] = 1
            result.append(
                InstanceData(
                    hoi_labels=hoi_labels,
                    object_labels=labels,
                    human_boxes=torch.from_numpy(arrays[prefix + 'sub_boxes']).reshape(-1, 4),
                    object_boxes=torch.from_numpy(arrays[prefix + 'obj_boxes']).reshape(-1, 4),
                )
            )
        return result

    def clip_images(self, case):
        images = [formulas.clip_image(case, i) for i in range(len(self.main[1]))]
        return torch.from_numpy(np.stack(images))

    def loss_samples(self, arrays, case):
        """The same as samples of the input pipeline: boxes in pixels, xyxy."""
        samples = []
        clip_images = self.clip_images(case)
        for sample, target, clip_image in zip(self.main[1], self.targets(arrays, case), clip_images, strict=True):
            height, width = sample.img_shape
            size = torch.tensor([width, height, width, height])
            sample = HOIDataSample(metainfo=sample.metainfo)
            sample.gt_pairs = InstanceData(
                hoi_labels=target.hoi_labels,
                object_labels=target.object_labels,
                human_boxes=bbox_cxcywh_to_xyxy(target.human_boxes) * size,
                object_boxes=bbox_cxcywh_to_xyxy(target.object_boxes) * size,
            )
            sample.clip_image = clip_image
            samples.append(sample)
        return samples


@pytest.fixture(scope='session')
def reference(request):
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield Reference(request.param)
    torch.set_num_threads(threads)
