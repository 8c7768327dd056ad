"""One door for annotation files: the family is found out by content, the boxes come back 0-based."""

import json
from pathlib import Path
from typing import Any

from ..vocabulary import HOIVocabulary
from .upt import upt_to_records


def detect_family(data: Any) -> str:
    """Finds out which family of files the content of an annotation file belongs to.

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


def load_json(path: str | Path) -> Any:
    """Parses a JSON file.

    Raises:
        ValueError: If the file is no valid JSON, e.g. truncated.
    """
    try:
        return json.loads(Path(path).read_bytes())
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"'{path}' is no valid JSON ({error}); download or convert it again.") from None


def read_annotations(path: str | Path, vocabulary: HOIVocabulary) -> tuple[list[dict], str]:
    """Reads an annotation file of any family.

    Args:
        path (str | Path): The JSON file.
        vocabulary (HOIVocabulary): Vocabulary that the file must fit.

    Returns:
        tuple[list[dict], str]: The records, in the layout of the QPIC / PPDM list with 0-based xyxy boxes and the
        vocabulary's own ids, and the family.

    Raises:
        ValueError: If the content belongs to no family or to another dataset.
    """
    data = load_json(path)
    family = detect_family(data)
    if family == 'qpic':
        return data, family
    if family in ('upt_hico', 'upt_vcoco'):
        return upt_to_records(data, vocabulary, str(path)), family
    hints = dict(
        coco='it is a COCO detection file, without human-object pairs',
        vcoco_release="it is V-COCO's release, which VCOCODataset reads with `coco_file`, or convert both with "
        'tools/dataset_converters/vcoco.py',
        unknown='its content is of none of the known families: a list of images with `annotations` and '
        '`hoi_annotation` (QPIC / PPDM and this project), or UPT / PViC',
    )
    raise ValueError(f"'{path}' cannot be read as HOI annotations of '{vocabulary.name}': {hints[family]}.")
