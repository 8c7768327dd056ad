"""Resizes the short side of an image, with DETR's rounding."""

import numpy as np
import torch
from mmdet.datasets.transforms import Resize
from mmdet.registry import TRANSFORMS

from .layout import contiguous

# Limits the memory for a very long image without `max_size`.
_LONGEST = 32_768


def short_side_size(width: int, height: int, short: int, max_size: int | None = None) -> tuple[int, int]:
    """Size of an image after its short side is resized, with the rounding of DETR and the authors.

    Args:
        width (int): Width of the image.
        height (int): Height of the image.
        short (int): New length of the short side in pixels.
        max_size (int, optional): Maximum length of the long side in pixels. If it is reached, the short side is shorter,
            but at least 1. None: 32,768.

    Returns:
        tuple[int, int]: New width and height.

    Examples:
        >>> short_side_size(640, 480, 800, 1333)
        (1066, 800)
        >>> short_side_size(640, 100, 800, 1333)
        (1331, 208)
        >>> short_side_size(5000, 1, 800, 1333)
        (1333, 1)
    """
    low, high = min(width, height), max(width, height)
    limit = _LONGEST if max_size is None else max_size
    if high / low * short > limit:
        short = round(limit * low / high)
    # The short side of a very long image is at least one pixel, so its ratio changes.
    short, long = (short, int(short * high / low)) if short else (1, limit)
    return (short, long) if width < height else (long, short)


@TRANSFORMS.register_module()
class HOIResizeShortSide(Resize):
    """mmdet's :class:`Resize` to a given length of the short side. Boxes are resized too.

    mmdet's ``keep_ratio`` rounds differently (by a pixel or two). The authors use PIL's interpolation.

    Args:
        scale (int): Length of the short side in pixels. ``RandomChoiceResize`` sets it for each image.
        max_size (int, optional): Maximum length of the long side in pixels. None: 32,768.
        backend (str): ``'pillow'``: PIL, with antialiasing, to the last bit. ``'torchvision'``: the same in a fraction of the
            time; less than 2 % of the levels differ, by 1. Others as in mmcv.
        interpolation (str): As in mmcv.
    """

    def __init__(
        self, scale: int, max_size: int | None = None, backend: str = 'pillow', interpolation: str = 'bilinear'
    ) -> None:
        super().__init__(scale=scale, keep_ratio=False, backend=backend, interpolation=interpolation)
        self.scale = scale
        self.max_size = max_size

    def _resize_img(self, results: dict) -> None:
        height, width = results['img'].shape[:2]
        results['scale'] = short_side_size(width, height, self.scale, self.max_size)
        if self.backend != 'torchvision':
            super()._resize_img(results)
            return
        new_width, new_height = results['scale']
        results['img'] = _resize(results['img'], new_width, new_height, self.interpolation)
        results['img_shape'] = new_height, new_width
        results['scale_factor'] = new_width / width, new_height / height
        results['keep_ratio'] = False


def _resize(image: np.ndarray, width: int, height: int, interpolation: str) -> np.ndarray:
    from torchvision.transforms import InterpolationMode  # not at the top: the import takes more than a second
    from torchvision.transforms.v2 import functional as F

    # torch has a fast implementation for 8 bits in exactly this layout: a batch, with the channels last in memory
    batch = torch.from_numpy(contiguous(image))[None].permute(0, 3, 1, 2)
    batch = F.resize(batch, [height, width], InterpolationMode(interpolation), antialias=True)
    return contiguous(batch.permute(0, 2, 3, 1)[0].numpy())
