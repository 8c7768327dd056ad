"""Reads any supported annotation format. The format is recognised by its content."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ...files import names_file
from ...vocabulary import HOIVocabulary
from ..result_rows import is_rows, rows_to_records
from .hico_release import read_hico_release
from .json_file import load_json
from .mat_file import is_mat_file
from .upt import upt_to_records
from .vsrl import read_vsrl


def detect_family(data: Any) -> str:
    """Recognises the format of an annotation file by its content.

    Args:
        data (Any): The parsed JSON content.

    Returns:
        str: ``'qpic'`` (list of images, QPIC / PPDM and ours), ``'upt_hico'`` or ``'upt_vcoco'`` (UPT / PViC),
        ``'vcoco_release'`` (the 26 actions of V-COCO's release), ``'coco'`` (COCO detection) or ``'unknown'``.
    """
    if isinstance(data, list):
        if not data or not isinstance(data[0], dict):
            return 'unknown' if data else 'qpic'
        if 'action_name' in data[0]:
            return 'vcoco_release'
        return 'qpic' if 'hoi_annotation' in data[0] and 'annotations' in data[0] else 'unknown'
    if isinstance(data, dict):
        if 'correspondence' in data and 'annotation' in data:
            return 'upt_hico'
        if 'action_to_object' in data and 'annotations' in data:
            return 'upt_vcoco'
        if 'images' in data and 'annotations' in data and 'categories' in data:
            return 'coco'
    return 'unknown'


def read_annotations(
    path: str | Path,
    vocabulary: HOIVocabulary,
    split: str | None = None,
    coco_file: str | Path | Sequence[str | Path] | None = None,
    split_ids: str | Path | None = None,
) -> tuple[list[dict], str]:
    """Reads an annotation file of any supported format.

    Args:
        path (str | Path): JSON of QPIC / PPDM, of UPT / PViC or of this project, ``anno_bbox.mat`` of HICO-DET's
            release (``anno.mat`` in the same folder adds the image-level labels), ``vcoco_*.json`` of V-COCO's release, or
            the folder of Parquet files of ``genvlkt infer --out``, whose detections then stand for annotations.
        vocabulary (HOIVocabulary): Vocabulary of the file.
        split (str, optional): ``'train'`` or ``'test'``, only for ``anno_bbox.mat``.
        coco_file (str | Path | Sequence, optional): COCO instances, one or more files, only for V-COCO's release.
        split_ids (str | Path, optional): Text file with the image ids to read, only for V-COCO's release.

    Returns:
        tuple[list[dict], str]: The records, in the layout of the documented JSON with 0-based xyxy boxes and the
        ids of the vocabulary, and the format: one of :func:`detect_family`, ``'hico_release'`` or ``'rows'``.

    Raises:
        FileNotFoundError: If a file is missing.
        ValueError: If the format is unknown, or the file belongs to another dataset.
    """
    if coco_file is None and is_rows(path):
        return rows_to_records(path, vocabulary), 'rows'
    path = Path(path)
    if coco_file is not None:
        return read_vsrl([path], coco_file, vocabulary, split_ids)[0], 'vcoco_release'
    if not path.is_file():
        raise FileNotFoundError(f"Annotation file '{path}' is missing.")
    if is_mat_file(path):
        if split is None:
            raise ValueError(f"'{path}' holds both splits of HICO-DET: say which, 'train' or 'test'.")
        beside = path.with_name('anno.mat')
        return read_hico_release(path, split, vocabulary, beside if beside.is_file() else None), 'hico_release'
    data = load_json(path)
    family = detect_family(data)
    if family == 'qpic':
        return data, family
    if family in ('upt_hico', 'upt_vcoco'):
        with names_file(path):
            return upt_to_records(data, vocabulary, str(path)), family
    hints = dict(
        coco='it is a COCO detection file, without human-object pairs',
        vcoco_release="it is V-COCO's release, which is read together with the COCO instances: give `coco_file`, or "
        'convert both with `genvlkt convert vcoco`',
        unknown='its content is of none of the known families: a list of images with `annotations` and '
        '`hoi_annotation` (QPIC / PPDM and this project), or UPT / PViC',
    )
    raise ValueError(f"'{path}' cannot be read as HOI annotations of '{vocabulary.name}': {hints[family]}.")
