"""Reader of UPT / PViC's ``instances_*.json`` of HICO-DET and V-COCO."""

from collections.abc import Mapping, Sequence
from typing import Any

from ...vocabulary import HOIVocabulary
from ..records import FileIds

# Values to subtract from x1, y1, x2, y2. HICO-DET's boxes are 1-based pixel indices, as in the release. V-COCO's boxes start
# at 0 and end at x + w, one after the last pixel. In the official evaluation, they end at x + w - 1.
_SHIFT = dict(hico=(1, 1, 1, 1), vcoco=(0, 0, 1, 1))


def upt_to_records(data: Mapping[str, Any], vocabulary: HOIVocabulary, source: str = 'file') -> list[dict]:
    """Converts the content of a UPT / PViC file to records.

    The file has separate boxes for every annotated triplet, and so have the records. Only boxes with exactly equal
    coordinates and class are the same box.

    Args:
        data (Mapping): The parsed JSON content.
        vocabulary (HOIVocabulary): Vocabulary of the dataset.
        source (str): Name of the file, for messages.

    Returns:
        list[dict]: Records with 0-based xyxy boxes, one per image, including images without pairs.

    Raises:
        ValueError: If the file belongs to another dataset.
    """
    is_hico = 'correspondence' in data
    key, shift = ('annotation', _SHIFT['hico']) if is_hico else ('annotations', _SHIFT['vcoco'])
    verbs = _name_ids(data['verbs'] if is_hico else data['classes'], vocabulary.verb_names, vocabulary.verb_ids)
    objects = _name_ids(data['objects'], vocabulary.object_names, vocabulary.object_ids)
    # 'background' comes before V-COCO's 80 objects
    if None in verbs or None in objects[0 if is_hico else 1 :]:
        name = 'HICO-DET' if is_hico else 'V-COCO'
        raise ValueError(
            f"'{source}' is UPT / PViC's file of {name}: its verbs and objects are not those of '{vocabulary.name}'."
        )
    ids = FileIds(vocabulary)

    records = []
    for i, image in enumerate(data[key]):
        record: dict[str, Any] = dict(
            file_name=data['filenames'][i] if is_hico else image['file_name'],
            img_id=i if is_hico else data['images'][i],
            annotations=[],
            hoi_annotation=[],
        )
        if 'size' in data:
            record['width'], record['height'] = data['size'][i]
        boxes: dict[tuple, int] = {}
        image_verbs = image['verb' if is_hico else 'actions']
        image_objects = image['object' if is_hico else 'objects']
        for human, obj, verb, label in zip(image['boxes_h'], image['boxes_o'], image_verbs, image_objects, strict=True):
            verb_id, object_id = _pick(verbs, verb, 'verb'), _pick(objects, label, 'object')
            hoi = dict(
                subject_id=_box_index(human, vocabulary.object_ids[0], boxes, shift),
                object_id=_box_index(obj, object_id, boxes, shift),
                category_id=verb_id,
            )
            index = ids.hoi_of(ids.verb(verb_id), ids.object(object_id))
            if index is not None:
                hoi['hoi_category_id'] = vocabulary.hoi_ids[index]
            record['hoi_annotation'].append(hoi)
        record['annotations'] = [dict(bbox=list(box), category_id=category) for *box, category in boxes]
        records.append(record)
    return records


def _pick(ids: Sequence, index: Any, what: str) -> int:
    """Entry at an index. Negative indices are errors."""
    if isinstance(index, bool) or not isinstance(index, int) or not 0 <= index < len(ids) or ids[index] is None:
        raise ValueError(f'{what} {index!r} is none of its {len(ids)} {what}s')
    return ids[index]


def _name_ids(names: Sequence[str], known: Sequence[str], ids: Sequence[int]) -> list[int | None]:
    """File ids of names. Underscores and spaces are equal. Unknown names give None."""
    table = {name.replace('_', ' '): i for name, i in zip(known, ids, strict=True)}
    return [table.get(name.replace('_', ' ')) for name in names]


def _box_index(box: Sequence[float], category: int, boxes: dict[tuple, int], shift: Sequence[int]) -> int:
    return boxes.setdefault((*(v - s for v, s in zip(box, shift, strict=True)), category), len(boxes))
