"""Memory layout of images."""

import cv2
import numpy as np


def contiguous(image: np.ndarray) -> np.ndarray:
    """Returns an image (H, W, 3) as a contiguous array.

    Flips and changes of the channel order return reversed views. OpenCV copies these many times faster than numpy.
    """
    if image.ndim == 3 and image.shape[2] == 3 and image.dtype == np.uint8 and image.size:
        reversed_channels, mirrored = image.strides[2] < 0, image.strides[1] < 0
        if reversed_channels:
            image = image[:, :, ::-1]
        if mirrored:
            image = cv2.flip(np.ascontiguousarray(image[:, ::-1]), 1)
        if reversed_channels:
            image = cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_BGR2RGB)
    return np.ascontiguousarray(image)
