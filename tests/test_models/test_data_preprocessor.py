import pytest
import torch
from mmdet.models import DetDataPreprocessor
from mmdet.structures import DetDataSample

from genvlkt_mmdet.models import HOIDataPreprocessor

NORM = dict(mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375])


@pytest.mark.parametrize(
    'settings',
    [
        dict(NORM, bgr_to_rgb=True),
        dict(NORM, pad_size_divisor=32, pad_value=7),
        dict(mean=[127.0], std=[64.0]),
        dict(bgr_to_rgb=True),
    ],
)
@pytest.mark.parametrize('dtype', [torch.uint8, torch.float32])
def test_equals_mmdets(settings, dtype):
    torch.manual_seed(0)
    images = [torch.randint(256, (3, *size)).to(dtype) for size in ((40, 50), (33, 70))]
    results = []
    for kind in (DetDataPreprocessor, HOIDataPreprocessor):
        samples = [DetDataSample(metainfo=dict(img_shape=tuple(image.shape[1:]))) for image in images]
        results.append(kind(**settings)(dict(inputs=[image.clone() for image in images], data_samples=samples), True))
    assert torch.equal(results[0]['inputs'], results[1]['inputs'])
    theirs, ours = ([sample.metainfo for sample in result['data_samples']] for result in results)
    assert ours == theirs


def test_images_without_samples():
    assert HOIDataPreprocessor(**NORM)(dict(inputs=[torch.zeros(3, 4, 5)]))['data_samples'] is None
