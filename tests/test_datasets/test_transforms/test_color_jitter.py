import numpy as np
import pytest
import torch
from mmdet.registry import TRANSFORMS
from PIL import Image
from scipy import stats
from torchvision.transforms import ColorJitter

from genvlkt_mmdet.datasets.transforms import HOIColorJitter


def test_brightness_factor_is_uniform():
    """On plain grey, contrast and saturation change nothing, so the level shows the brightness factor alone."""
    torch.manual_seed(0)
    jitter = HOIColorJitter()
    image = np.full((2, 2, 3), 150, dtype=np.uint8)
    factors = np.array([jitter(dict(img=image))['img'][0, 0, 0] / 150 for _ in range(1000)])
    assert 0.59 < factors.min() < 0.62 and 1.38 < factors.max() < 1.41
    assert stats.kstest(factors, stats.uniform(0.6, 0.8).cdf).pvalue > 0.01


@pytest.mark.parametrize('factor', [0.6, 1.4])
def test_saturation_works_on_the_right_channels(factor):
    """Saturation blends with ITU-R 601 luma, which is not symmetric in red and blue."""
    jitter = TRANSFORMS.build(dict(type='HOIColorJitter', brightness=0, contrast=0, saturation=(factor, factor)))
    image = np.full((2, 2, 3), (40, 60, 200), dtype=np.uint8)  # BGR
    luma = 0.299 * 200 + 0.587 * 60 + 0.114 * 40
    expected = np.clip(luma + factor * (np.array([40, 60, 200]) - luma), 0, 255)
    np.testing.assert_allclose(jitter(dict(img=image))['img'][0, 0], expected, atol=1.5)


def test_shape_type_and_input_are_kept():
    image = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    before = image.copy()
    out = HOIColorJitter()(dict(img=image))['img']
    assert out.shape == (5, 7, 3) and out.dtype == np.uint8 and out.flags.c_contiguous
    np.testing.assert_array_equal(image, before)


@pytest.mark.parametrize('hue', [0, 0.1])
@pytest.mark.parametrize('seed', range(6))
def test_equals_torchvision_on_pil(seed, hue):
    """The same random numbers; more than 99.9 % of the levels are equal, the others differ by rounding."""
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    rgb = np.asarray(Image.fromarray(coarse).resize((200, 150), Image.Resampling.BICUBIC))
    torch.manual_seed(seed)
    expected = np.asarray(ColorJitter(0.4, 0.4, 0.4, hue)(Image.fromarray(rgb))).astype(int)
    following = torch.rand(1)
    torch.manual_seed(seed)
    out = HOIColorJitter(hue=hue)(dict(img=np.ascontiguousarray(rgb[..., ::-1])))['img'][..., ::-1]
    assert torch.rand(1) == following
    assert (out == expected).mean() > 0.999
    assert np.abs(out - expected).max() <= 3
