"""Detection format of the official HICO-DET program: a folder with one ``detections_XX.mat`` per object."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ...datasets.formats.mat_file import load_mat
from ...files import new_file
from ...structures import Triplets
from ...vocabulary import HOIVocabulary
from .image_index import ImageIndex


def write_hico_mats(
    folder: str | Path, dets: Triplets, images: Sequence[Mapping], vocabulary: HOIVocabulary, max_per_class: int = 19999
) -> list[Path]:
    """Writes detections in the format of ``eval_one.m`` of ho-rcnn.

    ``detections_XX.mat`` of object XX (1 to 80, in COCO's order) contains ``all_boxes``: one cell for each HOI class of the
    object and each image, sorted by file name. The rows of a cell are human box, object box (0-based; ``eval_one.m`` adds
    1) and score.

    Args:
        folder (str | Path): The folder. Created if missing.
        dets (Triplets): Detections.
        images (Sequence[Mapping]): ``file_name`` and ``img_id`` of each image of the split.
        vocabulary (HOIVocabulary): The vocabulary.
        max_per_class (int): Maximum number of detections per class, highest score first. Default: 19,999, as in the
            authors' converters.

    Returns:
        list[Path]: The files.
    """
    from scipy.io import savemat  # not at the top: few programs write Matlab files

    column = _columns(images)
    order = np.lexsort((column[dets.images], -dets.detection_scores, dets.labels))
    rank = np.arange(len(order)) - np.searchsorted(dets.labels[order], dets.labels[order])
    dets = dets[order[rank < max_per_class]]
    dets = dets[np.lexsort((column[dets.images], dets.labels))]
    rows = np.column_stack([dets.human_boxes, dets.object_boxes, dets.detection_scores]).astype(np.float64)
    columns = column[dets.images]
    files = []
    for k, hois in _hois_by_object(vocabulary).items():
        # All empty cells share one array, because a split has millions of them.
        cells = np.empty((len(hois), len(images)), dtype=object)
        cells.fill(np.zeros((0, 9)))
        for row, hoi in enumerate(hois):
            start, stop = np.searchsorted(dets.labels, [hoi, hoi + 1])
            places, starts = np.unique(columns[start:stop], return_index=True)
            parts = np.split(rows[start:stop], starts[1:])  # one empty part if there are no places
            for place, part in zip(places, parts):
                cells[row, place] = part
        files.append(Path(folder) / f'detections_{k + 1:02d}.mat')
        with new_file(files[-1]) as file:
            savemat(file, dict(all_boxes=cells), do_compression=True)
    return files


def read_hico_mats(
    folder: str | Path, images: Sequence[Mapping[str, Any]], vocabulary: HOIVocabulary
) -> tuple[Triplets, int]:
    """Reads a folder of ``detections_XX.mat``. The arguments are those of :func:`write_hico_mats`.

    An object without file has no detections.

    Returns:
        tuple[Triplets, int]: The triplets, whose ``images`` are positions in ``images``, and the number of images without
        detections.

    Raises:
        FileNotFoundError: If the folder has no such file.
        ValueError: If a file cannot be read, or its number of cells is not that of the object's classes and the images.
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
    # Within an image, the highest score is first. Equal scores keep their order.
    table = table[np.lexsort((-table[:, 10], table[:, 0]))]
    triplets = Triplets(table[:, 0].astype(int), table[:, 2:6], table[:, 6:10], table[:, 1].astype(int), table[:, 10])
    return triplets, len(images) - len(np.unique(triplets.images))


def _columns(images: Sequence[Mapping[str, Any]]) -> np.ndarray:
    """Column of each image. The official lists are sorted by file name."""
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


def _is_table(rows: Any) -> bool:
    right = isinstance(rows, np.ndarray) and rows.ndim == 2 and rows.shape[1] == 9 and rows.dtype.kind in 'fiu'
    return right and bool(np.isfinite(rows).all())
