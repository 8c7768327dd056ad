"""Finds the images of a split by the file names and ids in results files."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any


class ImageIndex:
    """Finds the position of an image in a split by its file name or its id.

    Args:
        images (Sequence[Mapping]): ``file_name`` and ``img_id`` of each image.

    Raises:
        ValueError: If two images have the same file name.
    """

    def __init__(self, images: Sequence[Mapping[str, Any]]) -> None:
        self.names = [image['file_name'] for image in images]
        self._ids = [_image_id(image) for image in images]
        self._by_name = {name: i for i, name in enumerate(self.names)}
        self._by_id = {image_id: i for i, image_id in enumerate(self._ids)}
        bare = [PurePosixPath(name).name for name in self.names]
        counts = Counter(bare)
        self._by_bare_name = {name: i for i, name in enumerate(bare) if counts[name] == 1}
        if len(self._by_name) < len(self.names):
            raise ValueError(
                f"The annotations name image '{_repeated(self.names)}' several times: join its entries to evaluate or "
                'write detections.'
            )

    def __len__(self) -> int:
        return len(self.names)

    @property
    def ids(self) -> list:
        """list: Number of each image. A ValueError if two images have the same number."""
        if len(self._by_id) < len(self._ids):
            raise ValueError(
                f"Several images of the annotations have the `img_id` {_repeated(self._ids)}: V-COCO's official format "
                'knows images by their number, so give each its own.'
            )
        return self._ids

    def by_name(self, name: str) -> int | None:
        """Position of an image by its file name. None: no such image.

        The name may have more folders than the one in the annotation file, or none, if it is still unique.
        """
        if name in self._by_name:
            return self._by_name[name]
        parts = PurePosixPath(name.replace('\\', '/')).parts
        ends = ('/'.join(parts[start:]) for start in range(1, len(parts)))
        found = next((self._by_name[end] for end in ends if end in self._by_name), None)
        return self._by_bare_name.get(parts[-1]) if found is None and parts else found

    def by_id(self, image_id: int) -> int | None:
        """Position of an image by its number, see :attr:`ids`. None: no such image."""
        self.ids  # noqa: B018  (raises if a number is not unique)
        return self._by_id.get(image_id)


def _repeated(values: Sequence) -> Any:
    return next(value for value, count in Counter(values).items() if count > 1)


def _image_id(image: Mapping[str, Any]) -> Any:
    """COCO's number of an image, from its file name; otherwise the id in the annotation file."""
    match = re.fullmatch(r'COCO_\w+_(\d{12})', PurePosixPath(image['file_name']).stem)
    return int(match[1]) if match else image['img_id']
