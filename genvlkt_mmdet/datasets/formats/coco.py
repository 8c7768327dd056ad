"""Reader of COCO instances, from the published files or one merged file."""

import contextlib
import io
from collections.abc import Iterable, Sequence
from pathlib import Path

from pycocotools.coco import COCO

from ...files import names_file

_IMAGE = ('id', 'file_name', 'width', 'height')
_ANNOTATION = ('id', 'image_id', 'category_id', 'bbox', 'area')


def read_coco(files: str | Path | Sequence[str | Path], image_ids: Iterable[int]) -> dict[str, list[dict]]:
    """Reads the COCO instances of some images.

    The published files are large. Each is read once, and only the needed part is kept.

    Args:
        files (str | Path | Sequence): One file, or several with different images, e.g. ``instances_train2014.json`` and
            ``instances_val2014.json``.
        image_ids (Iterable[int]): Ids of the images. Unknown ids are ignored.

    Returns:
        dict[str, list[dict]]: ``images`` and ``annotations`` in COCO's layout, without masks.

    Raises:
        FileNotFoundError: If a file is missing.
        ValueError: If a file has no COCO instances, or if two files have the same image.
    """
    files = [files] if isinstance(files, (str, Path)) else list(files)
    for path in files:
        if not Path(path).is_file():
            raise FileNotFoundError(f"'{path}' is missing: COCO's annotations_trainval2014.zip holds the instances.")
    wanted = set(image_ids)
    found: dict[str, list[dict]] = dict(images=[], annotations=[])
    known: dict[int, str | Path] = {}
    for path in files:
        with names_file(path, 'give the COCO instances, e.g. instances_train2014.json and instances_val2014.json'):
            with contextlib.redirect_stdout(io.StringIO()):  # pycocotools prints its progress
                coco = COCO(str(path))
            here = sorted(wanted & coco.imgs.keys())
            for image_id in here:
                if image_id in known:
                    raise ValueError(
                        f"'{path}' and '{known[image_id]}' both hold image {image_id}: give each file once."
                    )
                known[image_id] = path
                found['images'].append({key: coco.imgs[image_id][key] for key in _IMAGE})
                for annotation in coco.imgToAnns.get(image_id, ()):
                    kept = {key: annotation[key] for key in _ANNOTATION}
                    found['annotations'].append({**kept, 'ignore': annotation.get('ignore', 0)})
            del coco  # frees gigabytes before the next file is read
    return found
