"""Colour jitter."""

import cv2
import numpy as np
from mmcv.transforms import BaseTransform
from mmdet.registry import TRANSFORMS
from PIL import Image

from .layout import contiguous

# PIL drops the fraction of a level, OpenCV rounds it.
_ROUND_DOWN = -0.4999


@TRANSFORMS.register_module()
class HOIColorJitter(BaseTransform):
    """torchvision's colour jitter, in random order of its operations, computed with OpenCV.

    The random numbers are torchvision's, from torch's generator. Levels are those of torchvision on a PIL image, but for
    rounding: at least 99.95 % are equal, the others differ by 1 to 3.

    The defaults are those of the authors.

    Args:
        brightness, contrast, saturation, hue (float | tuple[float, float]): As in torchvision.
    """

    def __init__(
        self,
        brightness: float | tuple[float, float] = 0.4,
        contrast: float | tuple[float, float] = 0.4,
        saturation: float | tuple[float, float] = 0.4,
        hue: float | tuple[float, float] = 0.0,
    ) -> None:
        from torchvision.transforms import ColorJitter  # not at the top: the import takes more than a second

        self.jitter = ColorJitter(brightness, contrast, saturation, hue)

    def transform(self, results: dict) -> dict:
        """Jitters ``results['img']``, (H, W, 3) uint8 BGR."""
        image = contiguous(results['img'])
        ranges = self.jitter.brightness, self.jitter.contrast, self.jitter.saturation, self.jitter.hue
        order, *factors = self.jitter.get_params(*ranges)
        adjust = (_adjust_brightness, _adjust_contrast, _adjust_saturation, _adjust_hue)
        for i in order.tolist():
            if factors[i] is not None:
                image = adjust[i](image, factors[i])
        results['img'] = image
        return results

    def __repr__(self) -> str:
        return repr(self.jitter)


def _adjust_brightness(image: np.ndarray, factor: float) -> np.ndarray:
    return cv2.addWeighted(image, factor, image, 0, _ROUND_DOWN)


def _adjust_contrast(image: np.ndarray, factor: float) -> np.ndarray:
    mean = int(cv2.mean(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY))[0] + 0.5)
    return cv2.addWeighted(image, factor, image, 0, (1 - factor) * mean + _ROUND_DOWN)


def _adjust_saturation(image: np.ndarray, factor: float) -> np.ndarray:
    grey = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
    return cv2.addWeighted(image, factor, grey, 1 - factor, _ROUND_DOWN)


def _adjust_hue(image: np.ndarray, factor: float) -> np.ndarray:
    from torchvision.transforms import functional as F

    rgb = Image.fromarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB))
    return cv2.cvtColor(np.asarray(F.adjust_hue(rgb, factor)), cv2.COLOR_RGB2BGR)
