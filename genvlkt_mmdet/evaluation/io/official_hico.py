"""The detection format of the official HICO-DET program: a folder with ``detections_XX.mat`` for each object."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.io import savemat

from ...datasets.formats.mat_file import load_mat
from ...files import new_file
from ...structures import Triplets
from ...vocabulary import HOIVocabulary
from .image_index import ImageIndex


def write_hico_mats(
    folder: str | Path,
    dets: Triplets,
    images: Sequence[Mapping[str, Any]],
    vocabulary: HOIVocabulary,
    max_per_class: int = 19999,
) -> list[Path]:
    """Writes detections as ``eval_one.m`` of ho-rcnn reads them.

    ``detections_XX.mat`` of object XX (1 to 80, in COCO's order) holds ``all_boxes``, a cell of the object's HOI classes
    by images, in the order of file names. A cell holds rows of human box, object box (0-based; ``eval_one.m`` adds 1)
    and score.

    Args:
        folder (str | Path): The folder; it is made.
        dets (Triplets): Detections.
        images (Sequence[Mapping]): Per image of the split ``file_name`` and ``img_id``.
        vocabulary (HOIVocabulary): The vocabulary.
        max_per_class (int): Detections of a class, best first, that are written; what the authors' converters keep.

    Returns:
        list[Path]: The files.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    column = _columns(images)
    order = np.lexsort((column[dets.images], -dets.detection_scores, dets.labels))
    rank = np.arange(len(order)) - np.searchsorted(dets.labels[order], dets.labels[order])
    dets = dets[order[rank < max_per_class]]
    rows = np.column_stack([dets.human_boxes, dets.object_boxes, dets.detection_scores]).astype(np.float64)
    columns = column[dets.images]
    by_object = _hois_by_object(vocabulary)
    files = []
    for k, hois in by_object.items():
        # the same empty array in every empty cell: a split has millions of them
        cells = np.empty((len(hois), len(images)), dtype=object)
        cells.fill(np.zeros((0, 9)))
        for row, hoi in enumerate(hois):
            start, stop = np.searchsorted(dets.labels, [hoi, hoi + 1])
            for place, part in _split(columns[start:stop], rows[start:stop]):
                cells[row, place] = part
        files.append(folder / f'detections_{k + 1:02d}.mat')
        with new_file(files[-1]) as file:
            savemat(file, dict(all_boxes=cells), do_compression=True)
    return files


def read_hico_mats(
    folder: str | Path, images: Sequence[Mapping[str, Any]], vocabulary: HOIVocabulary
) -> tuple[Triplets, int]:
    """Reads a folder of ``detections_XX.mat``, see :func:`write_hico_mats`.

    Args:
        folder (str | Path): The folder; an object without a file has no detections.
        images (Sequence[Mapping]): Per image of the split ``file_name`` and ``img_id``.
        vocabulary (HOIVocabulary): The vocabulary.

    Returns:
        tuple[Triplets, int]: The triplets, by position of the image in ``images``, and the number of images without any.

    Raises:
        FileNotFoundError: If the folder holds no such file.
        ValueError: If a file is unreadable, or its cells are not the object's classes by the split's images.
    """
    folder = Path(folder)
    position = np.argsort(_columns(images))
    parts: list[np.ndarray] = [np.zeros((0, 11))]
    hois_of = _hois_by_object(vocabulary)
    files = {k: folder / f'detections_{k + 1:02d}.mat' for k in hois_of}
    files = {k: path for k, path in files.items() if path.exists()}
    if not files:
        raise FileNotFoundError(f"'{folder}' holds no detections_XX.mat.")
    for (k, path), content in zip(files.items(), load_mat(files.values(), ['all_boxes']), strict=True):
        hois, cells = hois_of[k], content['all_boxes']
        if not isinstance(cells, np.ndarray) or cells.dtype.kind != 'O':
            raise ValueError(f"'{path}' holds no cell array `all_boxes`.")
        if cells.shape != (len(hois), len(images)):
            raise ValueError(
                f"'{path}': `all_boxes` has {' x '.join(map(str, cells.shape))} cells, but object "
                f"'{vocabulary.object_names[k]}' has {len(hois)} HOI classes and the annotation file {len(images)} images."
            )
        for row, hoi in enumerate(hois):
            for place, rows in enumerate(cells[row]):
                if not np.size(rows):
                    continue
                if not _is_table(rows):
                    raise ValueError(
                        f"'{path}', class {hoi}, image '{images[position[place]]['file_name']}': a cell must hold rows of "
                        'nine finite numbers: human box, object box and score.'
                    )
                heads = np.broadcast_to([position[place], hoi], (len(rows), 2))
                parts.append(np.column_stack([heads, rows]))
    table = np.concatenate(parts)
    # scores of one cell are in order; a stable sort by image restores the order within images
    table = table[np.lexsort((-table[:, 10], table[:, 0]))]
    triplets = Triplets(table[:, 0].astype(int), table[:, 2:6], table[:, 6:10], table[:, 1].astype(int), table[:, 10])
    return triplets, len(images) - len(np.unique(triplets.images))


def _columns(images: Sequence[Mapping[str, Any]]) -> np.ndarray:
    """Column of each image: the official lists are in the order of file names."""
    names = ImageIndex(images).names
    columns = np.empty(len(names), dtype=np.int64)
    columns[sorted(range(len(names)), key=names.__getitem__)] = np.arange(len(names))
    return columns


def _hois_by_object(vocabulary: HOIVocabulary) -> dict[int, list[int]]:
    """HOI classes of each object, ascending."""
    table: dict[int, list[int]] = {}
    for hoi, k in enumerate(vocabulary.hoi_objects):
        table.setdefault(k, []).append(hoi)
    return dict(sorted(table.items()))


def _split(columns: np.ndarray, rows: np.ndarray) -> list[tuple[int, np.ndarray]]:
    """Rows of each column, in their order."""
    order = np.argsort(columns, kind='stable')
    places, starts = np.unique(columns[order], return_index=True)
    return list(zip(places.tolist(), np.split(rows[order], starts[1:]), strict=True)) if len(places) else []


def _is_table(rows: Any) -> bool:
    right = isinstance(rows, np.ndarray) and rows.ndim == 2 and rows.shape[1] == 9 and rows.dtype.kind in 'fiu'
    return right and bool(np.isfinite(rows).all())
