"""Makes the image that CLIP sees."""

from collections.abc import Sequence

import cv2
import numpy as np
import torch
from mmcv.transforms import BaseTransform
from mmdet.registry import TRANSFORMS
from PIL import Image

from .layout import contiguous

# Mean and standard deviation of OpenAI's CLIP, on RGB in [0, 1]
CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)

# Of a longer image, only the middle part with this ratio of sides is resized.
_MAX_RATIO = 50


@TRANSFORMS.register_module()
class MakeCLIPImage(BaseTransform):
    """Makes the input image of CLIP, for the teacher (Sec. 3.3, visual mimic) or a head that reads CLIP.

    The augmented image, before normalisation, gets CLIP's own preprocessing: short side resized to ``size`` (bicubic with
    antialiasing, PIL), centre crop, normalisation.

    Args:
        size (int): Side of CLIP's square input.
        mean (Sequence[float]): Mean of R, G, B in [0, 1]. Default: OpenAI's.
        std (Sequence[float]): Standard deviation of R, G, B. Default: OpenAI's.
        keep_ratio (bool): Default: True, as described. False: the whole image is resized to the square, nothing is cropped. A
            box in [0, 1] of the image then lies at the same place in CLIP's image.
    """

    def __init__(
        self,
        size: int = 224,
        mean: Sequence[float] = CLIP_MEAN,
        std: Sequence[float] = CLIP_STD,
        keep_ratio: bool = True,
    ) -> None:
        from torchvision import transforms as T  # not at the top: the import takes more than a second
        from torchvision.transforms import functional as F

        self.mean, self.std = tuple(mean), tuple(std)
        self.resize = T.Compose(
            [
                T.Resize(size if keep_ratio else (size, size), interpolation=T.InterpolationMode.BICUBIC),
                T.CenterCrop(size),
            ]
        )
        # What `ToTensor` and `Normalize` make of the 256 levels of B, G, R
        levels = np.arange(256, dtype=np.uint8)[None, :, None].repeat(3, axis=2)
        normalized = T.Normalize(mean, std)(F.to_tensor(Image.fromarray(levels)))
        self._normalized = normalized.permute(1, 2, 0).numpy()[..., ::-1].copy()

    def transform(self, results: dict) -> dict:
        """Makes ``results['clip_image']`` (3, size, size) float32 from ``results['img']`` (H, W, 3) uint8 BGR."""
        image = Image.fromarray(contiguous(results['img']))  # BGR: resizing treats all channels alike
        longest = _MAX_RATIO * min(image.size)
        if max(image.size) > longest:  # the crop below removes the rest, which would need gigabytes before
            from torchvision.transforms import functional as F

            image = F.center_crop(image, [min(image.height, longest), min(image.width, longest)])
        bgr = np.asarray(self.resize(image))
        clip_image = np.empty((3, *bgr.shape[:2]), dtype=np.float32)
        cv2.split(cv2.LUT(bgr, self._normalized), list(clip_image[::-1]))
        results['clip_image'] = torch.from_numpy(clip_image)
        return results

    def to_image(self, clip_image: torch.Tensor) -> np.ndarray:
        """Converts a CLIP image (3, size, size) back to (size, size, 3) uint8 RGB."""
        image = clip_image.permute(1, 2, 0).numpy() * self.std + self.mean
        return (image * 255).round().clip(0, 255).astype(np.uint8)

    def __repr__(self) -> str:
        return f'{type(self).__name__}({self.resize}, mean={self.mean}, std={self.std})'
