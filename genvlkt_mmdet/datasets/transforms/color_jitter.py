"""Colour jitter."""

import numpy as np
from mmcv.transforms import BaseTransform
from mmdet.registry import TRANSFORMS
from PIL import Image
from torchvision.transforms import ColorJitter as TorchColorJitter


@TRANSFORMS.register_module()
class HOIColorJitter(BaseTransform):
    """torchvision's colour jitter on a PIL image, in random order of its operations.

    The defaults are those of the authors. Random numbers come from torch's generator.

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
        self.jitter = TorchColorJitter(brightness, contrast, saturation, hue)

    def transform(self, results: dict) -> dict:
        """Jitters ``results['img']``, (H, W, 3) uint8 BGR."""
        image = Image.fromarray(np.ascontiguousarray(results['img'][..., ::-1]))
        results['img'] = np.ascontiguousarray(np.asarray(self.jitter(image))[..., ::-1])
        return results

    def __repr__(self) -> str:
        return repr(self.jitter)
