import numpy as np
import pytest
from mmdet.registry import TRANSFORMS

from genvlkt_mmdet.datasets.transforms.corruption import CORRUPTIONS, corrupt
from genvlkt_mmdet.minihoi.rendering import render_scene
from genvlkt_mmdet.minihoi.scenes import sample_scene


@pytest.fixture(scope='module')
def image():
    """A MiniHOI image, BGR."""
    return np.ascontiguousarray(render_scene(sample_scene(np.random.default_rng(3)))[0][:, :, ::-1])


def damage(image, name, level, seeds=10):
    """Mean change of a level, over several random numbers."""
    changes = [corrupt(image, name, level, np.random.default_rng(seed)) for seed in range(seeds)]
    assert all(changed.shape == image.shape and changed.dtype == np.uint8 for changed in changes)
    return np.mean([np.abs(changed.astype(int) - image).mean() for changed in changes])


@pytest.mark.parametrize('name', CORRUPTIONS)
def test_every_level_changes_more(image, name):
    before = image.copy()
    damages = [damage(image, name, level) for level in range(1, 6)]
    np.testing.assert_array_equal(image, before)
    assert damages[0] > 0.3 and damages == sorted(damages)


@pytest.mark.parametrize('name', CORRUPTIONS)
def test_levels_look_alike_at_another_resolution(image, name):
    """Lengths are relative to the image. Noise of single pixels is finer there, so it is left out."""
    if name in ('gaussian_noise', 'iso_noise', 'glass_blur', 'moire', 'jpeg'):
        return
    large = image.repeat(3, axis=0).repeat(3, axis=1)
    assert damage(large, name, 5) == pytest.approx(damage(image, name, 5), rel=0.6)


@pytest.mark.parametrize('shape', [(1, 1, 3), (1, 40, 3), (40, 1, 3), (7, 5, 3)])
def test_tiny_images(shape):
    tiny = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    for name in CORRUPTIONS:
        for level in (1, 5):
            damage(tiny, name, level, seeds=3)


def test_transform_is_deterministic_by_seed_image_and_level(image):
    def corrupted(path='a/1.jpg', **kwargs):
        transform = TRANSFORMS.build(dict(dict(type='HOICorrupt', corruption='gaussian_noise', level=3), **kwargs))
        return transform(dict(img=image.copy(), img_path=path))['img']

    first = corrupted()
    np.testing.assert_array_equal(first, corrupted('elsewhere/1.jpg'))
    for other in (corrupted('a/2.jpg'), corrupted(seed=1), corrupted(level=4)):
        assert (first != other).mean() > 0.5
    # mirrored views, as OpenCV does not take them
    flipped = TRANSFORMS.build(dict(type='HOICorrupt', corruption='rain', level=3))(
        dict(img=image[:, ::-1], img_path='a.jpg')
    )
    assert flipped['img'].shape == image.shape


def test_known_values():
    grey = np.full((4, 4, 3), 100, np.uint8)
    rng = np.random.default_rng(0)
    assert (corrupt(grey, 'overexposure', 1, rng) == 140).all(), '1.3 x 100 + 10'
    assert (corrupt(grey, 'color_quantization', 5, rng) == 0).all() and (
        corrupt(grey + 50, 'color_quantization', 5, rng) == 255
    ).all()
    assert (corrupt(grey, 'defocus_blur', 5, rng) == 100).all()


def test_unknown_corruption_and_level():
    with pytest.raises(ValueError, match=r"Unknown corruption 'haze': choose from defocus_blur, .*screen_crack\.$"):
        TRANSFORMS.build(dict(type='HOICorrupt', corruption='haze', level=1))
    with pytest.raises(ValueError, match=r'must be 1 to 5, not 6\.'):
        TRANSFORMS.build(dict(type='HOICorrupt', corruption='fog', level=6))
