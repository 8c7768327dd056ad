"""V-COCO."""

import os.path as osp
from collections.abc import Sequence
from typing import Any

import numpy as np
from mmdet.registry import DATASETS

from ..structures import GroundTruth, Persons
from .hoi_dataset import HOIDataset, make_triplets


@DATASETS.register_module()
class VCOCODataset(HOIDataset):
    """V-COCO (Gupta and Malik, 2015): 80 objects, 29 action-role pairs of 26 actions, 263 HOI classes.

    The format of the annotation file is recognised by its content:

    - ``trainval_vcoco.json`` / ``test_vcoco.json`` (QPIC / PPDM, 0-based boxes),
    - the JSON of ``genvlkt convert vcoco`` (0-based),
    - UPT / PViC's files (0-based, only the 24 roles with object),
    - the release's ``vcoco_*.json`` with ``coco_file``.

    A triplet whose verb and object form no HOI class is left out of training, as in the authors' code. It counts in
    evaluation.

    ``eval_gt`` is what the official ``vsrl_eval.py`` counts: triplets labelled with verbs, and the persons. A person counts as
    not annotated if the file says ``"annotated": false``. In files that do not say it, it is a person without a triplet.

    Args:
        *args: See :class:`HOIDataset`.
        coco_file (str | Sequence[str], optional): COCO instances for the release's ``vcoco_*.json``, relative to
            ``data_root`` or absolute. One or more files, such as the published ``instances_train2014.json`` and
            ``instances_val2014.json``.
        split_ids (str, optional): Text file with the image ids of a split of the release.
        **kwargs: See :class:`HOIDataset`.
    """

    default_vocabulary = 'vcoco'
    dataset_name = 'vcoco'
    missing_hint = (
        'put V-COCO under `data_root` and let `genvlkt data download vcoco --root data/v-coco` tell where '
        'its files come from and verify the folder'
    )

    def __init__(
        self,
        *args: Any,
        coco_file: str | Sequence[str] | None = None,
        split_ids: str | None = None,
        **kwargs: Any,
    ) -> None:
        self.coco_file = coco_file
        self.split_ids = split_ids
        super().__init__(*args, **kwargs)

    def load_records(self) -> list[dict]:
        """Reads the annotation file, see the class."""
        root = self.data_root or ''
        coco_files = [self.coco_file] if isinstance(self.coco_file, str) else self.coco_file
        self.reader_options = dict(
            coco_file=coco_files and [osp.join(root, path) for path in coco_files],
            split_ids=self.split_ids and osp.join(root, self.split_ids),
        )
        return super().load_records()

    def make_eval_gt(
        self, record: dict, boxes: np.ndarray, labels: list[int], triplets: list[tuple[int, int, int, int | None]]
    ) -> GroundTruth:
        """Ground truth of one image as ``vsrl_eval.py`` sees it; see the class."""
        box_labels = np.array(labels, dtype=np.int64)
        is_person = box_labels == self.vocabulary.object_names.index('person')
        place = np.cumsum(is_person) - 1
        active = {human for human, *_ in triplets}
        annotated = [a.get('annotated', i in active) for i, a in enumerate(record['annotations'])]
        verbs = [(human, obj, verb) for human, obj, verb, _ in triplets if is_person[human]]
        of_triplets = np.array([place[human] for human, *_ in verbs], dtype=np.int64)
        persons = Persons(boxes[is_person], np.array(annotated, dtype=bool)[is_person], of_triplets)
        return GroundTruth(make_triplets(boxes, verbs), persons=persons, boxes=boxes, box_labels=box_labels)
