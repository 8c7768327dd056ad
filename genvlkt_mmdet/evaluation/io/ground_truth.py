"""Reads ground truth from annotation files, for evaluation outside the runner."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ...datasets.formats import read_annotations
from ...datasets.hoi_dataset import HOIDataset
from ...datasets.vcoco import VCOCODataset
from ...vocabulary import HOIVocabulary, load_vocabulary


def load_ground_truth(
    ann_file: str | Path,
    vocabulary: str | Mapping | HOIVocabulary,
    coco_file: str | Path | Sequence[str | Path] | None = None,
    split_ids: str | Path | None = None,
    split: str = 'test',
) -> list[dict[str, Any]]:
    """Reads the ground truth of a split from any annotation format that the datasets support.

    Args:
        ann_file (str | Path): Annotation file.
        vocabulary (str | Mapping | HOIVocabulary): Vocabulary of the dataset. With 'vcoco' the ground truth is persons with
            actions and roles, otherwise triplets.
        coco_file (str | Path | Sequence, optional): One or several files of COCO instances, needed if ``ann_file`` is
            ``vcoco_*.json`` of V-COCO's release.
        split_ids (str | Path, optional): Ids of the images of the split, for V-COCO's release.
        split (str): 'train' or 'test', for the release of HICO-DET, whose ``anno_bbox.mat`` holds both.

    Returns:
        list[dict]: One entry per image, in the order of ``img_id`` and name: ``file_name``, ``img_id`` and ``eval_gt`` as
        in the items of :class:`HOIDataset` and :class:`VCOCODataset`.

    Raises:
        FileNotFoundError: If a file is missing.
        ValueError: If the format is unknown or the content is inconsistent.
    """
    vocabulary = load_vocabulary(vocabulary)
    kind = VCOCODataset if vocabulary.name == 'vcoco' else HOIDataset
    dataset = kind(
        ann_file=str(ann_file), vocabulary=vocabulary, test_mode=True, pipeline=[], outside_files=True, lazy_init=True
    )
    records, dataset.family = read_annotations(
        ann_file, vocabulary, coco_file=coco_file, split_ids=split_ids, split=split
    )
    if not records:
        raise ValueError(f"'{ann_file}' holds no image.")
    items = [(record['file_name'], dataset.parse_data_info(record, i)) for i, record in enumerate(records)]
    entries = [dict(file_name=name, img_id=item['img_id'], eval_gt=item['eval_gt']) for name, item in items]
    return sorted(entries, key=lambda entry: (entry['img_id'], entry['file_name']))
