"""Image files: checked before they are decoded, and written in one step."""

import io
import warnings
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from ..files import write_file

# Twice 8,000 x 8,000: more than the cameras of telephones and most others take, and 384 MB when decoded.
MAX_PIXELS = 128_000_000
# What opencv and Pillow both decode by themselves. Pillow has readers that start other programs (EPS starts Ghostscript).
_FORMATS = ('JPEG', 'PNG', 'BMP', 'DIB', 'PPM', 'TIFF', 'WEBP', 'GIF', 'JPEG2000')


class ImageTooLargeError(ValueError):
    """An image has more pixels than may be decoded."""


def check_image(source: bytes | str, name: str, max_pixels: int = MAX_PIXELS) -> tuple[int, int]:
    """Refuses what is no image, or too large to decode, by its header alone.

    A file of 100 KB can decode to gigabytes; its header says so.

    Args:
        source (bytes | str): The file's content, or its path.
        name (str): The file's name, for the message.
        max_pixels (int): Largest width times height.

    Returns:
        tuple[int, int]: Width and height as stored, i.e. before any EXIF orientation.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the content is no image of a known format; an ``ImageTooLargeError`` if it has more pixels.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')  # Pillow's own, lower limit only warns
            with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source, formats=_FORMATS) as image:
                width, height = image.size
    except FileNotFoundError:
        raise
    except Image.DecompressionBombError:
        raise ImageTooLargeError(
            f"Image '{name}' has more than {2 * (Image.MAX_IMAGE_PIXELS or 0):,} pixels: make it smaller."
        ) from None
    except Exception as error:  # Pillow's readers raise almost anything on damaged files
        raise ValueError(
            f"'{name}' is no image that can be decoded: it is damaged, or another kind of file."
        ) from error
    if width * height > max_pixels:
        raise ImageTooLargeError(
            f"Image '{name}' has {width} x {height} pixels, more than the {max_pixels:,} allowed: make it smaller, or raise "
            'max_pixels.'
        )
    return width, height


def write_image(path: str | Path, image: np.ndarray) -> None:
    """Writes an image file in one step, see :func:`~genvlkt_mmdet.files.write_file`.

    Args:
        path (str | Path): The file; its ending says the format.
        image (np.ndarray): (H, W, 3) uint8 BGR.

    Raises:
        OSError: If the file cannot be written.
        ValueError: If opencv does not write this format.
    """
    try:
        done, content = cv2.imencode(Path(path).suffix, np.ascontiguousarray(image))
    except cv2.error:
        done = False
    if not done:
        raise ValueError(f"'{path}': opencv does not write this image format; take another ending, e.g. .png.")
    write_file(path, content.tobytes())
