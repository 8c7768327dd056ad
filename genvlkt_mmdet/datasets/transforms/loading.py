"""Loading of images and human-object pairs."""

import os

import mmengine.fileio as fileio
from mmcv.transforms import LoadImageFromFile
from mmdet.datasets.transforms import LoadAnnotations
from mmdet.registry import TRANSFORMS

from ...structures import PairBoxes
from ..image_file import MAX_PIXELS, ImageTooLargeError, check_image


@TRANSFORMS.register_module()
class LoadHOIImage(LoadImageFromFile):
    """Loads an image, and says which file it was when that fails.

    Args:
        color_type (str): As in mmcv. The default ignores the EXIF orientation, as the annotations of HICO-DET and
            V-COCO do.
        max_pixels (int): Largest width times height. The header is read first, and a larger image is not decoded.
        **kwargs: Further arguments of :class:`mmcv.transforms.LoadImageFromFile`.
    """

    def __init__(self, color_type: str = 'color_ignore_orientation', max_pixels: int = MAX_PIXELS, **kwargs) -> None:
        super().__init__(color_type=color_type, **kwargs)
        self.max_pixels = max_pixels

    def transform(self, results: dict) -> dict | None:
        """Loads ``results['img_path']``.

        Args:
            results (dict): The item; gets ``img`` (H, W, 3) uint8 BGR, ``img_shape`` and ``ori_shape``.

        Returns:
            dict, optional: The item; None for a broken image with ``ignore_empty``.

        Raises:
            FileNotFoundError: If the image is missing.
            ValueError: If it does not decode, or is too large.
        """
        path = results['img_path']
        try:
            if not self.ignore_empty:
                source = path if self.backend_args is None else fileio.get(path, backend_args=self.backend_args)
                check_image(source, path, self.max_pixels)
            return super().transform(results)
        except FileNotFoundError:
            folder = os.path.dirname(path)
            raise FileNotFoundError(
                f"Image '{path}' is missing: check `data_root` and `data_prefix` in the dataset config, or list all "
                'missing images with tools/analysis_tools/check_dataset.py.'
                if os.path.isdir(folder)
                else f"Image folder '{folder}' is missing: check `data_root` and `data_prefix` in the dataset config."
            ) from None
        except ImageTooLargeError:
            raise
        # opencv's own error is no ValueError, and mmcv asserts where opencv returns nothing
        except Exception as error:
            detail = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
            raise ValueError(f"Image '{path}' does not decode ({detail}); download it again.") from error


@TRANSFORMS.register_module()
class LoadHOIAnnotations(LoadAnnotations):
    """Loads boxes and labels, and ties the pairs to the boxes.

    Boxes are clipped to the image, and boxes without area are dropped. They are :class:`PairBoxes`: whatever mmdet's
    transforms do with them, :class:`PackHOIInputs` finds the pairs whose boxes are all there.

    Args:
        **kwargs: Arguments of :class:`mmdet.datasets.transforms.LoadAnnotations`.
    """

    def transform(self, results: dict) -> dict:
        """Loads the boxes.

        Args:
            results (dict): The item with ``instances`` and ``pairs``; gets ``gt_bboxes`` (N, 4), ``gt_bboxes_labels`` (N)
                and ``gt_ignore_flags`` (N).

        Returns:
            dict: The item.
        """
        results = super().transform(results)
        boxes = PairBoxes(results['gt_bboxes'].tensor, pairs=results['pairs'])
        boxes.clip_(results['img_shape'])
        keep = ((boxes.widths > 0) & (boxes.heights > 0)).numpy()
        results['gt_bboxes'] = boxes[keep]
        for key in ('gt_bboxes_labels', 'gt_ignore_flags'):
            results[key] = results[key][keep]
        return results
