import numpy as np
import open_clip
import pytest
from mmdet.registry import TRANSFORMS
from PIL import Image

from genvlkt_mmdet.datasets.transforms import MakeCLIPImage
from genvlkt_mmdet.datasets.transforms.clip_image import CLIP_MEAN, CLIP_STD


@pytest.mark.parametrize('height, width', [(480, 640), (901, 333), (224, 224), (100, 150)])
def test_matches_pil_and_open_clip(height, width):
    """Within 1e-6 of PIL's own resize plus arithmetic, and of open_clip's preprocessing."""
    rng = np.random.default_rng(height)
    rgb = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
    ours = MakeCLIPImage()(dict(img=np.ascontiguousarray(rgb[..., ::-1])))['clip_image'].numpy()
    assert ours.shape == (3, 224, 224) and ours.dtype == np.float32

    scale = 224 / min(height, width)
    size = (224, int(scale * height)) if width <= height else (int(scale * width), 224)
    resized = np.asarray(Image.fromarray(rgb).resize(size, Image.Resampling.BICUBIC))
    top, left = round((size[1] - 224) / 2), round((size[0] - 224) / 2)
    cropped = resized[top : top + 224, left : left + 224] / 255
    np.testing.assert_allclose(ours, ((cropped - CLIP_MEAN) / CLIP_STD).transpose(2, 0, 1), atol=1e-6)

    theirs = open_clip.image_transform(224, is_train=False)(Image.fromarray(rgb)).numpy()
    np.testing.assert_allclose(ours, theirs, atol=1e-6)


def test_size_and_statistics_are_parameters():
    image = np.full((20, 30, 3), (0, 102, 255), dtype=np.uint8)  # BGR
    transform = TRANSFORMS.build(dict(type='MakeCLIPImage', size=8, mean=(0.5, 0.4, 0), std=(0.5, 1, 2)))
    out = transform(dict(img=image))['clip_image']
    assert out.shape == (3, 8, 8)
    np.testing.assert_allclose(out.mean(dim=(1, 2)).numpy(), [1, 0, 0], atol=1e-6)


def test_whole_image_without_keeping_the_ratio_of_sides():
    """Within 1e-6 of PIL's own resize to the square, plus arithmetic."""
    rgb = np.random.default_rng(0).integers(0, 256, (48, 90, 3), dtype=np.uint8)
    ours = MakeCLIPImage(size=16, keep_ratio=False)(dict(img=np.ascontiguousarray(rgb[..., ::-1])))['clip_image']
    resized = np.asarray(Image.fromarray(rgb).resize((16, 16), Image.Resampling.BICUBIC)) / 255
    np.testing.assert_allclose(ours.numpy(), ((resized - CLIP_MEAN) / CLIP_STD).transpose(2, 0, 1), atol=1e-6)


def test_to_image_inverts_the_normalisation():
    image = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    transform = MakeCLIPImage(size=16)
    clip_image = transform(dict(img=image))['clip_image']
    np.testing.assert_array_equal(transform.to_image(clip_image), image[..., ::-1])
