"""V-COCO."""

import os.path as osp
from collections.abc import Sequence
from typing import Any

import numpy as np
from mmdet.registry import DATASETS

from ..vocabulary import action_slots
from .hoi_dataset import HOIDataset


@DATASETS.register_module()
class VCOCODataset(HOIDataset):
    """V-COCO (Gupta and Malik, 2015): 80 objects, 29 action-role pairs of 26 actions, 263 HOI classes.

    The format of the annotation file is recognised by its content:

    - ``trainval_vcoco.json`` / ``test_vcoco.json`` (QPIC / PPDM, 0-based boxes),
    - the JSON of ``tools/dataset_converters/vcoco.py`` (0-based),
    - UPT / PViC's files (0-based, only the 24 roles with object),
    - the release's ``vcoco_*.json`` with ``coco_file``.

    A triplet whose verb and object form no HOI class is left out of training, as in the authors' code. It counts in
    evaluation.

    ``eval_gt`` is that of the official ``vsrl_eval.py``: ``boxes`` (N, 4), ``is_person`` (N), ``actions`` (N, 26; 1, 0,
    or -1 for a person whose actions are not annotated) and ``role_ids`` (N, 26, 2), index in ``boxes`` or -1. The actions
    of a person are not annotated if the file has ``"annotated": false``. In files without this field, they are not
    annotated if no triplet has this person.

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
        'put V-COCO under `data_root` and let `python tools/download_dataset.py vcoco --root data/v-coco` tell where '
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
    ) -> dict[str, np.ndarray]:
        """Ground truth of one image in the form of ``vsrl_eval.py``, see the class."""
        actions, slots = action_slots(self.vocabulary)
        is_person = np.array(labels, dtype=np.int64) == self.vocabulary.object_names.index('person')
        doing = np.full((len(boxes), len(actions)), -1, dtype=np.int64)
        role_ids = np.full((len(boxes), len(actions), 2), -1, dtype=np.int64)
        for i, annotation in enumerate(record['annotations']):
            if is_person[i] and annotation.get('annotated', any(t[0] == i for t in triplets)):
                doing[i] = 0
        for human, obj, verb, _ in triplets:
            action, slot = slots[verb]
            doing[human, action] = 1
            if slot is not None and role_ids[human, action, slot] < 0:
                role_ids[human, action, slot] = obj
        return dict(boxes=boxes, is_person=is_person, actions=doing, role_ids=role_ids)
