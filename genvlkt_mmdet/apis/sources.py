"""Loads images from files, folders, lists, addresses, arrays, videos and cameras, one after the other."""

import glob
import os
import os.path as osp
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias
from urllib.parse import urlsplit

import cv2
import mmcv
import mmengine
import numpy as np
from mmdet.apis.det_inferencer import IMG_EXTENSIONS
from PIL import Image, ImageOps

from ..datasets.image_file import MAX_PIXELS, ImageTooLargeError, check_image
from ..datasets.video_file import VIDEO_EXTENSIONS, read_video
from ..engine import one_line
from ..files import names_file

#: An image or video file or its address, a camera (its index), an array (H, W, 3) uint8 BGR, or an image of Pillow.
ImageInput: TypeAlias = str | Path | int | np.ndarray | Image.Image

_VIDEO_SCHEMES = ('rtsp', 'rtsps', 'rtmp', 'rtmps')


@dataclass
class LoadedImage:
    """A loaded image or video frame.

    Attributes:
        pixels (np.ndarray): (H, W, 3) uint8 BGR.
        path (str | None): File, address or camera. None for arrays and images of Pillow.
        name (str): Unique name for its output files, with a suffix.
        frame (int | None): Index of the frame in its video, from 0. None for images.
        time (float | None): Time of the frame in seconds. None for images.
    """

    pixels: np.ndarray
    path: str | None
    name: str
    frame: int | None = None
    time: float | None = None


@dataclass
class Source:
    """What :func:`find_images` has found.

    Attributes:
        items (Iterable): The images and videos.
        alone (bool): Whether this is a single image or video, which the caller named. If it cannot be read, that is an error.
        total (int | None): Number of images. None if it is not known, as for videos.
    """

    items: Iterable[ImageInput]
    alone: bool = False
    total: int | None = None


def find_images(source: ImageInput | Iterable[ImageInput], recursive: bool = False) -> Source:
    """Finds the images and videos of a source, and checks that the files exist. Nothing is read yet.

    Args:
        source (ImageInput | Iterable): A file or its address (``https://...``, ``rtsp://...``), a pattern (``photos/*.jpg``, with
            ``**`` for any folders), a folder (its images, by name), a text file (``.txt``) with one path or address in each line,
            relative to its own folder, the index of a camera, an array, an image of Pillow, or any of them but folders, patterns
            and text files in a list or iterator. An iterator is read while it is used, so it can be endless.
        recursive (bool): Whether the subfolders of a folder are searched as well.

    Returns:
        Source: The images and videos.

    Raises:
        FileNotFoundError: If a file does not exist, or no file matches the pattern.
        ValueError: If there is no image, or an input is of another type.
    """
    if isinstance(source, Path):
        source = str(source)
    if isinstance(source, str) and '://' not in source and not osp.isfile(source):
        if osp.isdir(source):
            return _listed(_images_in(source, recursive))
        if glob.has_magic(source):
            found = sorted(path for path in glob.glob(source, recursive=True) if not osp.isdir(path))
            if not found:
                raise FileNotFoundError(f"No file matches '{source}': check the pattern.")
            return _listed(found)
        if source.isdecimal():
            source = int(source)
    if isinstance(source, str) and source.lower().endswith('.txt') and '://' not in source:
        _need_file(source)
        return _listed(_read_list(source))
    if isinstance(source, Iterator):
        return Source(map(_checked, source))
    one = isinstance(source, (str, int, np.ndarray, Image.Image)) or not isinstance(source, Iterable)
    items = [_checked(item) for item in ([source] if one else source)]  # type: ignore[union-attr]
    for item in items:
        if isinstance(item, str):
            _need_file(item)
    if not items:
        raise ValueError('There is no image: the list is empty.')
    return replace(_listed(items), alone=len(items) == 1)


def is_video(item: ImageInput) -> bool:
    """Whether an input is a video or a camera, by its suffix or the scheme of its address.

    Examples:
        >>> [is_video(item) for item in ('a.MP4', 'rtsp://10.0.0.7/door', 0, 'a.jpg')]
        [True, True, True, False]
    """
    if isinstance(item, (str, Path)):
        address = urlsplit(str(item))
        return address.scheme in _VIDEO_SCHEMES or address.path.lower().endswith(VIDEO_EXTENSIONS)
    return isinstance(item, int)


def named(items: Iterable[ImageInput]) -> Iterator[tuple[ImageInput, str]]:
    """Yields each input with a unique file name: that of its file, or its position."""
    taken: dict[str, int] = {}  # the number that each stem gets next
    for i, item in enumerate(items):
        if isinstance(item, int):
            stem, suffix = f'camera_{item}', ''
        elif isinstance(item, str):
            stem, suffix = osp.splitext(osp.basename(item))
        else:
            yield item, f'{i:08d}.jpg'
            continue
        number = taken.get(stem, 0)
        while (unique := f'{stem}_{number}' if number else stem) in taken:
            number += 1
        taken[unique] = 1
        taken[stem] = number + 1
        yield item, unique + (suffix if suffix.lower() in IMG_EXTENSIONS else '.jpg')


def load_images(
    item: ImageInput, name: str = '', stride: int = 1, max_pixels: int = MAX_PIXELS
) -> Iterator[LoadedImage]:
    """Loads an image, or the frames of a video one after the other.

    Args:
        item (ImageInput): The image or video.
        name (str): Name of the image for output files. Names of frames end with their index.
        stride (int): Of a video, every ``stride``-th frame is loaded.
        max_pixels (int): Maximum width times height of an image or frame.

    Yields:
        LoadedImage: The image, upright if it is from a file with an EXIF orientation, or the next frame.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is no image or video, is damaged or too large.
    """
    if isinstance(item, np.ndarray):
        yield LoadedImage(item, None, name)
    elif isinstance(item, Image.Image):
        yield LoadedImage(_from_pillow(item, name, max_pixels), None, name)
    elif is_video(item):
        stem = osp.splitext(name)[0]
        with read_video(item, stride, max_pixels) as video:
            for frame, time, pixels in video:
                yield LoadedImage(pixels, video.source, f'{stem}_{frame:06d}.jpg', frame, time)
    else:
        yield LoadedImage(read_image(str(item), max_pixels), str(item), name)


def read_image(path: str, max_pixels: int = MAX_PIXELS) -> np.ndarray:
    """Reads an image file or address as (H, W, 3) uint8 BGR, upright. Errors: as in :func:`load_images`."""
    _need_file(path)
    try:
        content = mmengine.fileio.get(path)
    except Exception as error:  # the loaders of addresses raise almost anything
        if '://' not in path:
            raise
        raise ValueError(
            f"The address '{path}' cannot be read ({type(error).__name__}: {one_line(error)}): download the image, and give the "
            'file.'
        ) from error
    return decode_image(content, path, max_pixels)


def decode_image(content: bytes, name: str, max_pixels: int = MAX_PIXELS) -> np.ndarray:
    """Decodes the content of an image file as (H, W, 3) uint8 BGR, upright.

    Args:
        content (bytes): The content.
        name (str): Name of the image for messages.
        max_pixels (int): Maximum width times height.

    Raises:
        ValueError: If it is no image, is damaged or too large.
    """
    check_image(content, name, max_pixels)
    try:
        image = mmcv.imfrombytes(content, flag='color')
    # OpenCV raises its own error for some files, and returns None for others
    except (cv2.error, ValueError):
        image = None
    if image is None:
        raise ValueError(f"'{name}' is no image that can be decoded: it is damaged, or another kind of file.")
    return image


def _listed(items: Sequence[ImageInput]) -> Source:
    return Source(items, total=None if any(map(is_video, items)) else len(items))


def _images_in(folder: str, recursive: bool) -> list[ImageInput]:
    """The image files of a folder. Links that lead nowhere are among them, so that they are reported."""
    files: list[ImageInput] = []
    # Not mmengine's scandir, which leaves out broken links without a word, and ends with an error at a circular one.
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if recursive and not name.startswith('.'))
        files += [
            osp.join(place, name)
            for name in sorted(names)
            if name.lower().endswith(IMG_EXTENSIONS) and not name.startswith('.')
        ]
    if not files:
        where = '' if recursive else ' Its subfolders are searched only with recursive.'
        raise ValueError(f"Folder '{folder}' holds no image ({', '.join(IMG_EXTENSIONS)}).{where}")
    return files


def _read_list(path: str) -> list[ImageInput]:
    """The paths and addresses in a text file."""
    with names_file(path, 'write one path or address per line, in UTF-8'):
        lines = [line.strip() for line in Path(path).read_text(encoding='utf-8-sig').splitlines()]
        folder = osp.dirname(path)
        items: list[ImageInput] = [line if '://' in line else osp.join(folder, line) for line in lines if line]
        if not items:
            raise ValueError('it names no image')
    return items


def _checked(item: ImageInput) -> ImageInput:
    """An input as text, array, camera or image of Pillow."""
    if isinstance(item, np.ndarray):
        if item.ndim != 3 or item.shape[2] != 3 or item.dtype != np.uint8 or 0 in item.shape:
            raise ValueError(
                f'An image array must be (H, W, 3) uint8 in BGR order, but one is {item.shape} {item.dtype}.'
            )
    elif isinstance(item, (str, Path)):
        return str(item)
    elif not isinstance(item, (int, Image.Image)) or isinstance(item, bool):
        raise ValueError(
            f'An input must be a path, an array, an image of Pillow or the index of a camera, not a {type(item).__name__}.'
        )
    return item


def _need_file(path: str) -> None:
    """Refuses what is no file. Addresses are left to their loader."""
    if '://' not in path and not osp.isfile(path):
        known = (
            'is a folder: give it alone, not in a list' if osp.isdir(path) else 'is no regular file: give an image file'
        )
        raise FileNotFoundError(f"Image '{path}' {known if osp.exists(path) else 'does not exist: check its path'}.")


def _from_pillow(image: Image.Image, name: str, max_pixels: int) -> np.ndarray:
    if image.width * image.height > max_pixels:
        raise ImageTooLargeError(
            f"Image '{name}' has {image.width} x {image.height} pixels, more than the {max_pixels:,} allowed."
        )
    upright = ImageOps.exif_transpose(image).convert('RGB')
    return np.ascontiguousarray(np.asarray(upright)[..., ::-1])
