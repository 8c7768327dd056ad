"""Results files: the triplets of each image, as JSON or as columns of numbers (``.npz``)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ...datasets.records import show
from ...files import names_file
from ...structures import Triplets, has_object
from ...vocabulary import HOIVocabulary
from ..functional import equal_rows
from .image_index import ImageIndex
from .results_columns import Columns, read_npz, write_npz
from .results_json import read_json, write_json
from .results_rows import read_rows


def write_results(path: str | Path, entries: Iterable[Mapping[str, Any]]) -> None:
    """Writes a results file. Its extension decides the form: columns for ``.npz``, otherwise JSON.

    Both forms keep all digits of the numbers, so evaluating the file gives exactly the result of the arrays.

    - JSON: a list with one entry per image and line: ``file_name``, ``human_boxes`` (xyxy, 0-based pixels of the original
      image), ``object_boxes`` (likewise; null for a triplet without object), ``labels`` and ``scores``.
    - Columns: an uncompressed ``.npz`` with ``file_names`` (n) and ``counts`` (n), the number of triplets of each image, and,
      for all triplets in the order of the images, ``human_boxes`` (m, 4), ``object_boxes`` (m, 4; NaN for a triplet without
      object), ``labels`` (m) and ``scores`` (m). Half as large or smaller, and many times faster to read.

    Args:
        path (str | Path): The file. Missing folders are created.
        entries (Iterable[Mapping]): ``file_name`` and the arrays of each image. An object box of NaN means 'no object'.
    """
    (write_npz if _is_npz(path) else write_json)(path, entries)


def read_results(
    path: str | Path, images: Sequence[Mapping[str, Any]], num_classes: int, may_lack_object: bool = False
) -> tuple[Triplets, int]:
    """Reads a results file and checks it against the images of a split.

    Args:
        path (str | Path): The file, see :func:`write_results`.
        images (Sequence[Mapping]): ``file_name`` and ``img_id`` of each image of the split.
        num_classes (int): Number of classes. Labels are 0 to ``num_classes - 1``.
        may_lack_object (bool): Whether a triplet may have no object. Default: False.

    Returns:
        tuple[Triplets, int]: The triplets, whose ``images`` are positions in ``images``, in float64, and the number of images
        without entry in the file.

    Raises:
        FileNotFoundError: If the file is missing.
        ValueError: If the file is damaged (e.g. truncated) or of another kind, or an entry has an unknown or repeated image, a
            missing key, lists of different lengths, a label out of range, a box without four numbers, NaN or infinity.
    """
    with names_file(path, 'write it again'):
        columns = (read_npz if _is_npz(path) else read_json)(path)
        return match_images(path, columns, images, num_classes, may_lack_object)


def read_result_rows(
    path: str | Path, images: Sequence[Mapping[str, Any]], vocabulary: HOIVocabulary
) -> tuple[Triplets, int]:
    """Reads the Parquet files of ``genvlkt infer --out`` and checks them against the images of a split.

    Images that could not be read count as missing. For V-COCO, the classes become their verbs, and a pair has one triplet per
    verb, as in :class:`~genvlkt_mmdet.evaluation.metrics.VCOCOMetric`.

    Args:
        path (str | Path): The folder, or its address.
        images (Sequence[Mapping]): As in :func:`read_results`.
        vocabulary (HOIVocabulary): Vocabulary of the dataset.

    Returns:
        tuple[Triplets, int]: As of :func:`read_results`.

    Raises:
        FileNotFoundError: If there is no Parquet file.
        ValueError: As of :func:`read_results`, or if the rows are of a model with another vocabulary.
    """
    columns = read_rows(path, vocabulary)
    triplets, missing = match_images(path, columns, images, vocabulary.num_hois, vocabulary.has_no_object)
    if vocabulary.name == 'vcoco':
        verbs = np.asarray(vocabulary.hoi_verbs)[triplets.labels]
        first, _ = equal_rows(triplets.images, *triplets.human_boxes.T, *triplets.object_boxes.T, verbs)
        triplets = replace(triplets, labels=verbs)[first]
    return triplets, missing


def match_images(
    path: str | Path,
    columns: Columns,
    images: Sequence[Mapping[str, Any]],
    num_classes: int,
    may_lack_object: bool,
) -> tuple[Triplets, int]:
    """Checks the content of a results file against a split, see :func:`read_results`."""
    index = ImageIndex(images)
    positions = _positions(path, columns.file_names, index)
    _check(path, columns, num_classes, may_lack_object)
    triplets = Triplets(
        images=np.repeat(positions, columns.counts),
        human_boxes=columns.human_boxes,
        object_boxes=columns.object_boxes,
        labels=columns.labels.astype(np.int64),
        scores=columns.scores,
    )
    if (np.diff(positions) < 0).any():  # the order of the split
        triplets = triplets[np.argsort(triplets.images, kind='stable')]
    return triplets, len(index) - len(positions)


def _is_npz(path: str | Path) -> bool:
    return Path(path).suffix.lower() == '.npz'


def _positions(path: str | Path, names: Sequence[str], index: ImageIndex) -> np.ndarray:
    """Position of each image in the split."""
    positions: dict[int, None] = {}
    for name in names:
        position = index.by_name(name)
        if position is None:
            raise ValueError(
                f"'{path}', image {show(name)}: the annotation file has no such image; are the results of another split or "
                'dataset?'
            )
        if position in positions:
            raise ValueError(f"'{path}', image {show(name)}: the image occurs twice; join its triplets in one entry.")
        positions[position] = None
    return np.array(list(positions), dtype=np.int64)


def _check(path: str | Path, columns: Columns, num_classes: int, may_lack_object: bool) -> None:
    """Checks the numbers. The message names the image of the first wrong one."""

    def refuse(wrong: np.ndarray, problem: str) -> None:
        if wrong.any():
            row = int(np.argmax(wrong))
            image = columns.file_names[int(np.searchsorted(np.cumsum(columns.counts), row, side='right'))]
            raise ValueError(f"'{path}', image {show(image)}: {problem.format(columns.labels[row])}")

    if not np.isfinite(columns.object_boxes).all():
        absent = ~has_object(columns.object_boxes)
        partly = absent & ~np.isnan(columns.object_boxes).all(-1)
        refuse(partly | np.isinf(columns.object_boxes).any(-1), '`object_boxes` holds NaN or infinity.')
        if not may_lack_object:
            refuse(absent, 'an object box is null, but every class of this dataset has an object.')
    for key in ('human_boxes', 'labels', 'scores'):
        finite = np.isfinite(getattr(columns, key))
        if not finite.all():
            refuse(~finite.reshape(len(finite), -1).all(-1), f'`{key}` holds NaN or infinity.')
    wrong = (columns.labels != np.floor(columns.labels)) | (columns.labels < 0) | (columns.labels >= num_classes)
    refuse(wrong, f'label {{:g}} is out of range; labels are 0 to {num_classes - 1}.')
