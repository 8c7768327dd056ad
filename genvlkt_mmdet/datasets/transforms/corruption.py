"""Corrupts images, to measure how robust a detector is."""

import zlib
from collections.abc import Callable
from pathlib import PurePath

import cv2
import numpy as np
from mmcv.transforms import BaseTransform
from mmdet.registry import TRANSFORMS
from numpy.random import Generator

from .layout import contiguous

# Number of levels of each corruption.
LEVELS = 5


@TRANSFORMS.register_module()
class HOICorrupt(BaseTransform):
    """Corrupts an image, always in the same way for the same image file.

    No corruption moves what the image shows, so the boxes stay right. Put the transform directly after the image is loaded.

    Args:
        corruption (str): One of :data:`CORRUPTIONS`.
        level (int): 1 (weak) to 5 (strong).
        seed (int): Another seed gives other noise, drops and cracks. Default: 0.

    Raises:
        ValueError: If there is no such corruption or level.
    """

    def __init__(self, corruption: str, level: int, seed: int = 0) -> None:
        if corruption not in CORRUPTIONS:
            raise ValueError(f"Unknown corruption '{corruption}': choose from {', '.join(CORRUPTIONS)}.")
        if level not in range(1, LEVELS + 1):
            raise ValueError(f'The level of a corruption must be 1 to {LEVELS}, not {level}.')
        self.corruption = corruption
        self.level = level
        self.seed = seed

    def transform(self, results: dict) -> dict:
        """Corrupts ``results['img']``, (H, W, 3) uint8 BGR."""
        name = PurePath(results['img_path']).name
        words = f'{self.corruption}/{self.level}/{name}'.encode()
        results['img'] = corrupt(
            results['img'], self.corruption, self.level, np.random.default_rng([self.seed, zlib.crc32(words)])
        )
        return results


def corrupt(image: np.ndarray, corruption: str, level: int, rng: Generator) -> np.ndarray:
    """Corrupts an image.

    The corruptions scale with the image, so that a level looks the same at every resolution.

    Args:
        image (np.ndarray): (H, W, 3) uint8 BGR. It is not changed.
        corruption (str): One of :data:`CORRUPTIONS`.
        level (int): 1 (weak) to 5 (strong).
        rng (Generator): Random numbers.

    Returns:
        np.ndarray: (H, W, 3) uint8 BGR.
    """
    result = CORRUPTIONS[corruption](contiguous(image), level - 1, rng)
    return result if result.dtype == np.uint8 else np.clip(np.rint(result), 0, 255).astype(np.uint8)


def _pixels(image: np.ndarray, per_thousand: float) -> float:
    """A length in pixels, from thousandths of the image's mean side."""
    return per_thousand * (image.shape[0] * image.shape[1]) ** 0.5 / 1000


def _grid(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates x and y of every pixel, from -1 to 1, (1, W) and (H, 1)."""
    return np.linspace(-1, 1, image.shape[1])[None], np.linspace(-1, 1, image.shape[0])[:, None]


def _clouds(image: np.ndarray, rng: Generator) -> np.ndarray:
    """Smooth noise of several scales, (H, W) from 0 to 1."""
    height, width = image.shape[:2]
    noise = np.zeros((height, width), np.float32)
    for cells in (3, 6, 12, 24):
        coarse = rng.random((cells, cells), dtype=np.float32)
        noise += cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC) / cells
    noise -= noise.min()
    return noise / max(float(noise.max()), 1e-6)


def _blend(image: np.ndarray, colour: float | np.ndarray, weight: np.ndarray | float) -> np.ndarray:
    """Mixes an image with a colour. ``weight`` (H, W) or a number, 0 to 1, is that of the colour."""
    weight = np.asarray(weight, np.float32)
    weight = weight[..., None] if weight.ndim == 2 else weight
    return image * (1 - weight) + np.asarray(colour, np.float32) * weight


# The optics


def _defocus_blur(image: np.ndarray, level: int, rng: Generator) -> np.ndarray:
    """Every point becomes a disk."""
    radius = _pixels(image, (10, 18, 28, 40, 55)[level]) / 2
    x, y = _around_centre(radius)
    return _filtered(image, np.clip(radius + 0.5 - np.hypot(x, y), 0, 1))


def _motion_blur(image: np.ndarray, level: int, rng: Generator) -> np.ndarray:
    """Every point becomes a line."""
    half, angle = _pixels(image, (16, 28, 44, 64, 90)[level]) / 2, rng.uniform(0, np.pi)
    x, y = _around_centre(half)
    along, across = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    return _filtered(image, np.clip(half + 0.5 - np.abs(along), 0, 1) * np.clip(1 - np.abs(across), 0, 1))


def _around_centre(radius: float) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates x and y of a square of pixels that has everything up to a distance from its centre."""
    places = np.arange(-int(np.ceil(radius)), int(np.ceil(radius)) + 1, dtype=np.float32)
    return np.meshgrid(places, places)


def _filtered(image: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    return cv2.filter2D(image, -1, kernel / kernel.sum(), borderType=cv2.BORDER_REPLICATE)


def _glass_blur(image: np.ndarray, level: int, rng: Generator) -> np.ndarray:
    """Every pixel comes from a random place near it."""
    reach = max(1.0, _pixels(image, (3, 5, 7, 10, 14)[level]))
    height, width = image.shape[:2]
    shift = rng.uniform(-reach, reach, (2, height, width)).astype(np.float32)
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    return cv2.remap(image, x + shift[0], y + shift[1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)


def _vignetting(image: np.ndarray, level: int, rng: Generator) -> np.ndarray:
    x, y = _grid(image)
    return _blend(image, 0, np.clip((x**2 + y**2) * (0.25, 0.4, 0.55, 0.75, 1.0)[level], 0, 1))


def _glare(image: np.ndarray, level: int, rng: Generator) -> np.ndarray:
    """A bright light in the upper half, with a wide halo."""
    x, y = _grid(image)
    distance = np.hypot(x - rng.uniform(-0.7, 0.7), y - rng.uniform(-1, 0))
    strength = (0.45, 0.6, 0.75, 0.9, 1.0)[level]
    return _blend(image, 255, strength * np.exp(-distance / (0.3, 0.4, 0.5, 0.65, 0.85)[level]))


# Sensor, compression and transfer


def _gaussian_noise(image: np.ndarray, level: int, rng: Generator) -> np.ndarray:
    return image + rng.normal(0, (10, 18, 28, 42, 60)[level], image.shape)


def _iso_noise(image: np.ndarray, level: int, rng: Generator) -> np.ndarray:
    """The noise of a high ISO number: of the photons, and of colour in coarse grains."""
    photons = (120, 60, 30, 15, 8)[level]
    noisy = rng.poisson(image / 255 * photons) * (255 / photons)
    height, width = image.shape[:2]
    coarse = rng.normal(0, (4, 7, 11, 16, 22)[level], (-(-height // 2), -(-width // 2), 3)).astype(np.float32)
    return noisy + cv2.resize(coarse, (width, height))


def _moire(image: np.ndarray, level: int, rng: Generator) -> np.ndarray:
    """The interference of two fine gratings, as in photographs of a screen."""
    x, y = np.meshgrid(np.arange(image.shape[1]), np.arange(image.shape[0]))
    waves = 0.0
    for _ in range(2):
        angle, period = rng.uniform(0, np.pi), _pixels(image, rng.uniform(12, 30)) + 2
        waves = waves + np.sin(2 * np.pi * (x * np.cos(angle) + y * np.sin(angle)) / period)
    return image * (1 + (0.12, 0.2, 0.3, 0.4, 0.5)[level] * waves[..., None] / 2)


def _jpeg(image: np.ndarray, level: int, rng: Generator) -> np.ndarray:
    return _recoded(image, (30, 18, 12, 8, 4)[level])


def _recoded(image: np.ndarray, quality: int) -> np.ndarray:
    _, content = cv2.imencode('.jpg', image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return cv2.imdecode(content, cv2.IMREAD_COLOR)


def _pixelation(image: np.ndarray, level: int, rng: Generator) -> np.ndarray:
    height, width = image.shape[:2]
    block = _pixels(image, (12, 18, 26, 36, 50)[level])
    small = max(1, round(width / block)), max(1, round(height / block))
    return cv2.resize(
        cv2.resize(image, small, interpolation=cv2.INTER_AREA), (width, height), interpolation=cv2.INTER_NEAREST
    )


def _color_quantization(image: np.ndarray, level: int, rng: Generator) -> np.ndarray:
    steps = (8, 6, 4, 3, 2)[level] - 1
    return np.rint(image / 255 * steps) * (255 / steps)


def _packet_loss(image: np.ndarray, level: int, rng: Generator) -> np.ndarray:
    """Strips of a transferred image are lost. They repeat the row above, and some are green."""
    result, height = image.copy(), image.shape[0]
    for _ in range((2, 4, 6, 9, 13)[level]):
        top = int(rng.integers(1, max(2, height)))
        bottom = min(height, top + max(1, round(height * rng.uniform(0.01, 0.05))))
        left = int(rng.integers(0, image.shape[1]))
        result[top:bottom, left:] = (0, 135, 0) if rng.random() < 0.3 else result[top - 1, left:]
    return result


# The environment


def _streaks(
    image: np.ndarray, number: int, length: float, thickness: float, angle: float, rng: Generator
) -> np.ndarray:
    """White streaks on black, (H, W) from 0 to 1. Length and thickness in thousandths of the image's side."""
    height, width = image.shape[:2]
    layer = np.zeros((height, width), np.uint8)
    size, width_of_line = _pixels(image, length), max(1, round(_pixels(image, thickness)))
    for _ in range(number):
        x, y, own = rng.uniform(0, width), rng.uniform(0, height), size * rng.uniform(0.5, 1.5)
        end = x + own * np.sin(angle), y + own * np.cos(angle)
        cv2.line(layer, (int(x), int(y)), (int(end[0]), int(end[1])), 255, width_of_line, cv2.LINE_AA)
    return layer.astype(np.float32) / 255


def _rain(image: np.ndarray, level: int, rng: Generator) -> np.ndarray:
    streaks = _streaks(image, (60, 120, 200, 300, 450)[level], 60, 3, rng.uniform(-0.4, 0.4), rng)
    dim = image * (0.95, 0.9, 0.85, 0.78, 0.7)[level]
    return _blend(dim, 215, 0.6 * cv2.blur(streaks, (3, 3)))


def _snow(image: np.ndarray, level: int, rng: Generator) -> np.ndarray:
    flakes = _streaks(image, (80, 160, 260, 400, 600)[level], 6, 10, rng.uniform(-0.8, 0.8), rng)
    pale = _blend(image, 230, (0.05, 0.1, 0.15, 0.22, 0.3)[level])
    return _blend(pale, 255, 0.9 * cv2.blur(flakes, (3, 3)))


def _fog(image: np.ndarray, level: int, rng: Generator) -> np.ndarray:
    density = (0.35, 0.47, 0.58, 0.68, 0.78)[level]
    return _blend(image, 225, np.clip(density * (0.7 + 0.6 * _clouds(image, rng)), 0, 0.95))


def _low_light(image: np.ndarray, level: int, rng: Generator) -> np.ndarray:
    dark = (image / 255) ** (1.2, 1.5, 1.9, 2.4, 3.0)[level] * (0.85, 0.72, 0.6, 0.48, 0.36)[level] * 255
    return dark + rng.normal(0, (1, 2, 3, 4, 6)[level], image.shape)


def _overexposure(image: np.ndarray, level: int, rng: Generator) -> np.ndarray:
    return image * (1.3, 1.6, 2.0, 2.5, 3.2)[level] + (10, 20, 30, 40, 50)[level]


# The scene


def _occlusion(image: np.ndarray, level: int, rng: Generator) -> np.ndarray:
    """Grey rectangles cover parts of the scene."""
    result, (height, width) = image.copy(), image.shape[:2]
    for _ in range(6):
        area = (0.01, 0.018, 0.028, 0.04, 0.055)[level] * height * width
        ratio = rng.uniform(0.5, 2)
        h, w = min(height, round((area / ratio) ** 0.5)), min(width, round((area * ratio) ** 0.5))
        top, left = int(rng.integers(0, height - h + 1)), int(rng.integers(0, width - w + 1))
        result[top : top + h, left : left + w] = rng.integers(60, 180)
    return result


def _graffiti(image: np.ndarray, level: int, rng: Generator) -> np.ndarray:
    """Coloured scribbles over the scene."""
    result, (height, width) = image.copy(), image.shape[:2]
    for _ in range((2, 4, 6, 9, 13)[level]):
        points = rng.uniform(0, 1, (1, 2)) + np.cumsum(rng.normal(0, 0.08, (12, 2)), axis=0)
        points = np.rint(points * (width, height)).astype(np.int32)
        colour = tuple(int(value) for value in rng.integers(0, 256, 3))
        cv2.polylines(result, [points], False, colour, max(1, round(_pixels(image, 12))), cv2.LINE_AA)
    return result


def _screen_crack(image: np.ndarray, level: int, rng: Generator) -> np.ndarray:
    """Bright cracks from one point of impact, each with a dark edge."""
    result, (height, width) = image.copy(), image.shape[:2]
    centre = rng.uniform(0.2, 0.8, 2) * (width, height)
    thickness = max(1, round(_pixels(image, 4)))
    number = (6, 10, 15, 21, 28)[level]
    for angle in np.linspace(0, 2 * np.pi, number, endpoint=False) + rng.normal(0, 0.15, number):
        steps = rng.uniform(0.05, 0.15, 6) * (height * width) ** 0.5
        bends = angle + np.cumsum(rng.normal(0, 0.15, 6))
        path = centre + np.cumsum(np.stack([np.cos(bends), np.sin(bends)], 1) * steps[:, None], axis=0)
        points = np.rint(np.concatenate([centre[None], path])).astype(np.int32)
        cv2.polylines(result, [points + thickness], False, (40, 40, 40), thickness, cv2.LINE_AA)
        cv2.polylines(result, [points], False, (235, 235, 235), thickness, cv2.LINE_AA)
    return result


#: The corruptions by name, in the order of where they come from: optics, sensor and transfer, environment, scene.
CORRUPTIONS: dict[str, Callable[[np.ndarray, int, Generator], np.ndarray]] = dict(
    defocus_blur=_defocus_blur,
    motion_blur=_motion_blur,
    glass_blur=_glass_blur,
    vignetting=_vignetting,
    glare=_glare,
    gaussian_noise=_gaussian_noise,
    iso_noise=_iso_noise,
    moire=_moire,
    jpeg=_jpeg,
    pixelation=_pixelation,
    color_quantization=_color_quantization,
    packet_loss=_packet_loss,
    rain=_rain,
    snow=_snow,
    fog=_fog,
    low_light=_low_light,
    overexposure=_overexposure,
    occlusion=_occlusion,
    graffiti=_graffiti,
    screen_crack=_screen_crack,
)
