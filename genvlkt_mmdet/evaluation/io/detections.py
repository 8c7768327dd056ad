"""Reads detections from files of any format, and writes them for the official programs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...datasets.result_rows import is_rows
from ...structures import Triplets
from ...vocabulary import HOIVocabulary, load_vocabulary
from ..functional import VCOCODetections
from .official_hico import read_hico_mats, write_hico_mats
from .official_vcoco import read_vcoco_pickle, write_vcoco_pickle
from .results_file import read_result_rows, read_results


@dataclass(frozen=True, eq=False)
class Detections:
    """Detections of a split, read from a file.

    Attributes:
        content (Triplets | VCOCODetections): The detections. V-COCO's official pickle has persons, all other formats
            have triplets.
        num_missing (int): Number of images of the split without an entry in the file.
        num_foreign (int): Number of detections in images outside the split. They are ignored, as in V-COCO's official
            program. In other formats, they are an error.
    """

    content: Triplets | VCOCODetections
    num_missing: int = 0
    num_foreign: int = 0

    @property
    def triplets(self) -> Triplets:
        """Triplets: The detections. A ValueError if they are V-COCO's persons."""
        if not isinstance(self.content, Triplets):
            raise ValueError("These detections are the persons of V-COCO's pickle: evaluate them with its vocabulary.")
        return self.content


def load_detections(
    path: str | Path, images: Sequence[Mapping[str, Any]], vocabulary: str | Mapping | HOIVocabulary
) -> Detections:
    """Reads detections in any of four formats.

    Args:
        path (str | Path): A results file (JSON, or columns with the extension ``.npz``), a pickle of ``vsrl_eval.py``
            (``.pkl``, ``.pickle``), a folder of ``detections_XX.mat``, or the folder of Parquet files of
            ``genvlkt infer --out`` or its address.
        images (Sequence[Mapping]): The images of the split, returned by :func:`load_ground_truth`.
        vocabulary (str | Mapping | HOIVocabulary): Vocabulary of the dataset.

    Raises:
        FileNotFoundError: If the path does not exist.
        ValueError: If the content is wrong or belongs to another dataset, see the readers.
    """
    vocabulary = load_vocabulary(vocabulary)
    if is_rows(path):
        return Detections(*read_result_rows(path, images, vocabulary))
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"There are no results at '{path}'.")
    is_vcoco = vocabulary.name == 'vcoco'
    if path.is_dir():
        if is_vcoco:
            raise ValueError(f"'{path}' is a folder: V-COCO's detections are one pickle or one results file.")
        return Detections(*read_hico_mats(path, images, vocabulary))
    if path.suffix in ('.pkl', '.pickle'):
        if not is_vcoco:
            raise ValueError(f"'{path}' is a pickle: only V-COCO's official program has that format.")
        return Detections(*read_vcoco_pickle(path, images, vocabulary))
    num_classes = vocabulary.num_verbs if is_vcoco else vocabulary.num_hois
    return Detections(*read_results(path, images, num_classes, vocabulary.has_no_object))


def export_detections(
    out: str | Path,
    detections: Detections,
    images: Sequence[Mapping[str, Any]],
    vocabulary: str | Mapping | HOIVocabulary,
) -> list[Path]:
    """Writes detections in the format of the official program of the dataset.

    Args:
        out (str | Path): The pickle for V-COCO, otherwise the folder for ``detections_XX.mat``.
        detections (Detections): Returned by :func:`load_detections`.
        images (Sequence[Mapping]): The split, returned by :func:`load_ground_truth`.
        vocabulary (str | Mapping | HOIVocabulary): Vocabulary of the dataset.

    Returns:
        list[Path]: The files.
    """
    vocabulary = load_vocabulary(vocabulary)
    if vocabulary.name != 'vcoco':
        return write_hico_mats(out, detections.triplets, images, vocabulary)
    write_vcoco_pickle(out, detections.content, images, vocabulary)
    return [Path(out)]
