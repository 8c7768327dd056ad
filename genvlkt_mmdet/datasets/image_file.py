"""Checks image files before they are decoded, and writes them atomically."""

import io
import warnings
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from ..files import write_file

# Twice 8,000 x 8,000: more than most cameras produce, and 384 MB when decoded.
MAX_PIXELS = 128_000_000
# Formats that both OpenCV and Pillow decode themselves. Some readers of Pillow start other programs (EPS: Ghostscript).
_FORMATS = ('JPEG', 'PNG', 'BMP', 'DIB', 'PPM', 'TIFF', 'WEBP', 'GIF', 'JPEG2000')


class ImageTooLargeError(ValueError):
    """An image has more pixels than may be decoded."""


def check_image(source: bytes | str, name: str, max_pixels: int = MAX_PIXELS) -> tuple[int, int]:
    """Refuses files that are not images or are too large to decode. Reads only the header, which has the size.

    Args:
        source (bytes | str): The file's content, or its path.
        name (str): Name of the file for the message.
        max_pixels (int): Maximum width times height.

    Returns:
        tuple[int, int]: Width and height as stored, before EXIF orientation is applied.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the content is not an image of a known format. ``ImageTooLargeError`` if it has more pixels.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')  # Pillow's own limit is lower and only warns
            with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source, formats=_FORMATS) as image:
                width, height = image.size
    except FileNotFoundError:
        raise
    except Image.DecompressionBombError:
        raise ImageTooLargeError(
            f"Image '{name}' has more than {2 * (Image.MAX_IMAGE_PIXELS or 0):,} pixels: make it smaller."
        ) from None
    except Exception as error:  # Pillow's readers can raise almost anything for damaged files
        raise ValueError(
            f"'{name}' is no image that can be decoded: it is damaged, or another kind of file."
        ) from error
    if width * height > max_pixels:
        raise ImageTooLargeError(
            f"Image '{name}' has {width} x {height} pixels, more than the {max_pixels:,} allowed: make it smaller, or raise "
            'max_pixels.'
        )
    return width, height


def check_complete(content: bytes, name: str) -> None:
    """Refuses an image file that ends too early. OpenCV decodes such a file, and fills what is missing with grey.

    Args:
        content (bytes): The file's content, which :func:`check_image` has accepted.
        name (str): Name of the file for the message.

    Raises:
        ValueError: If a part is missing or damaged.
    """
    try:
        with warnings.catch_warnings(), Image.open(io.BytesIO(content), formats=_FORMATS) as image:
            warnings.simplefilter('ignore')
            image.draft('L', (1, 1))  # of a JPEG, only the brightness of an eighth of the size: less work
            image.load()
    except Exception as error:  # Pillow's readers can raise almost anything for damaged files
        raise ValueError(f"Image '{name}' is incomplete or damaged: send the whole file.") from error


def write_image(path: str | Path, image: np.ndarray) -> None:
    """Writes an image (H, W, 3) uint8 BGR atomically, see :func:`~genvlkt_mmdet.files.write_file`.

    Raises:
        OSError: If the file cannot be written.
        ValueError: If OpenCV does not write the format of this suffix.
    """
    try:
        done, content = cv2.imencode(Path(path).suffix, np.ascontiguousarray(image))
    except cv2.error:
        done = False
    if not done:
        raise ValueError(f"'{path}': opencv does not write this image format; take another ending, e.g. .png.")
    write_file(path, content.tobytes())
