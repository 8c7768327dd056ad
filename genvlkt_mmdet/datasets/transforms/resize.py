"""Resizes the short side of an image, with DETR's rounding."""

from mmdet.datasets.transforms import Resize
from mmdet.registry import TRANSFORMS

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

    Example:
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
        backend (str): As in mmcv. ``'pillow'`` interpolates with antialiasing.
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
        super()._resize_img(results)
