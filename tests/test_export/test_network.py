import numpy as np
import pytest
import torch

from genvlkt_mmdet.export.exported_model import class_weights
from genvlkt_mmdet.export.network import OUTPUTS, ExportableNetwork
from tests.test_models.test_dense_heads.test_ablation_heads import HEADS, detector
from tests.test_models.tiny import batch, build_detector, sample

RESNET = dict(type='ResNet', depth=18, base_channels=4, out_indices=(3,), style='pytorch', norm_cfg=dict(type='BN'))


def text_detector():
    torch.manual_seed(0)
    model = build_detector(mimic=False, backbone=RESNET, zero_shot='some')
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
    return model.eval()


@pytest.mark.parametrize('kind', ['text', *HEADS], ids=str)
@torch.no_grad()
def test_the_network_computes_what_the_model_computes(kind):
    model = text_detector() if kind == 'text' else detector(**kind)
    samples = [sample(size, seed=i) for i, size in enumerate(((130, 95), (64, 97)))]
    images = batch(*samples)
    sizes = torch.tensor([s.img_shape[:2] for s in samples])
    weights = class_weights(model)
    found = ExportableNetwork(model)(images, sizes, *(torch.from_numpy(value) for value in weights.values()))
    expected = {name: value[-1] for name, value in model(images, samples, mode='tensor').items()}
    if kind not in ('text', HEADS[0]):  # logits of HOI classes instead of verbs
        expected['hoi_logits'] = expected['hoi_logits'][..., model.bbox_head.hoi_verbs]
    for name, value in zip(OUTPUTS, found, strict=True):
        np.testing.assert_allclose(value, expected[name], rtol=1e-4, atol=1e-5, err_msg=name)
    assert found[0].shape == (2, 6, 5)
