"""Loads images and human-object pairs."""

import os

import mmcv
import mmengine.fileio as fileio
import numpy as np
from mmcv.transforms import LoadImageFromFile
from mmdet.datasets.transforms import LoadAnnotations
from mmdet.registry import TRANSFORMS

from ...structures import PairBoxes
from ..image_file import MAX_PIXELS, ImageTooLargeError, check_image
from .layout import contiguous


@TRANSFORMS.register_module()
class LoadHOIImage(LoadImageFromFile):
    """Loads an image. Errors name the file.

    Args:
        color_type (str): As in mmcv. The default ignores the EXIF orientation, like the annotations of HICO-DET and
            V-COCO.
        max_pixels (int): Maximum width times height. The header is read first, and larger images are not decoded.
        **kwargs: Further arguments of :class:`mmcv.transforms.LoadImageFromFile`.
    """

    def __init__(self, color_type: str = 'color_ignore_orientation', max_pixels: int = MAX_PIXELS, **kwargs) -> None:
        super().__init__(color_type=color_type, **kwargs)
        self.max_pixels = max_pixels

    def transform(self, results: dict) -> dict | None:
        """Loads ``results['img_path']``. The item gets ``img`` (H, W, 3) uint8 BGR, ``img_shape`` and ``ori_shape``.

        Returns:
            dict, optional: The item. None for a broken image with ``ignore_empty``.

        Raises:
            FileNotFoundError: If the image is missing.
            ValueError: If it cannot be decoded, or is too large.
        """
        path = results['img_path']
        try:
            if self.ignore_empty:
                loaded = super().transform(results)
                if loaded is not None:
                    loaded['img'] = contiguous(loaded['img'])
                return loaded
            content = fileio.get(path, backend_args=self.backend_args)
            check_image(content, path, self.max_pixels)
            image = mmcv.imfrombytes(content, flag=self.color_type, backend=self.imdecode_backend)
            if image is None:
                raise ValueError('its content is damaged')
            results['img'] = contiguous(image.astype(np.float32) if self.to_float32 else image)
            results['img_shape'] = results['ori_shape'] = image.shape[:2]
            return results
        except FileNotFoundError:
            folder = os.path.dirname(path)
            raise FileNotFoundError(
                f"Image '{path}' is missing: check `data_root` and `data_prefix` in the dataset config, or list all "
                'missing images with `genvlkt data check`.'
                if os.path.isdir(folder)
                else f"Image folder '{folder}' is missing: check `data_root` and `data_prefix` in the dataset config."
            ) from None
        except ImageTooLargeError:
            raise
        # OpenCV's error is not a ValueError, and mmcv raises an AssertionError if OpenCV returns nothing
        except Exception as error:
            detail = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
            raise ValueError(f"Image '{path}' does not decode ({detail}); download it again.") from error


@TRANSFORMS.register_module()
class LoadHOIAnnotations(LoadAnnotations):
    """Loads boxes and labels, and connects the pairs to the boxes.

    Boxes are clipped to the image, and boxes without area are dropped. They are :class:`PairBoxes`, so
    :class:`PackHOIInputs` can find the boxes of each pair after mmdet's transforms.

    Args:
        **kwargs: Arguments of :class:`mmdet.datasets.transforms.LoadAnnotations`.
    """

    def transform(self, results: dict) -> dict:
        """Makes ``gt_bboxes`` (N, 4), ``gt_bboxes_labels`` (N) and ``gt_ignore_flags`` (N) from ``instances`` and ``pairs``."""
        results = super().transform(results)
        boxes = PairBoxes(results['gt_bboxes'].tensor, pairs=results['pairs'])
        boxes.clip_(results['img_shape'])
        keep = ((boxes.widths > 0) & (boxes.heights > 0)).numpy()
        results['gt_bboxes'] = boxes[keep]
        for key in ('gt_bboxes_labels', 'gt_ignore_flags'):
            results[key] = results[key][keep]
        return results
