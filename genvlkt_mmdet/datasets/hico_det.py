"""HICO-DET."""

from typing import Any

from mmdet.registry import DATASETS

from .hoi_dataset import HOIDataset


@DATASETS.register_module()
class HICODetDataset(HOIDataset):
    """HICO-DET (Chao et al., WACV 2018): 80 objects, 117 verbs, 600 HOI classes.

    The format of the annotation file is recognised by its content. Boxes are converted to 0-based pixels:

    - ``trainval_hico.json`` / ``test_hico.json`` (QPIC / PPDM, 0-based),
    - the JSON of ``genvlkt convert hico`` (0-based),
    - ``instances_*2015.json`` (UPT / PViC, 1-based),
    - the release's ``anno_bbox.mat`` (1-based). ``anno.mat`` in the same folder adds the image-level labels.

    Args:
        *args: See :class:`HOIDataset`.
        split (str, optional): Split to read from ``anno_bbox.mat``, ``'train'`` or ``'test'``. None: depends on
            ``test_mode``. Other files have only one split.
        **kwargs: See :class:`HOIDataset`.
    """

    default_vocabulary = 'hico'
    dataset_name = 'hico'
    missing_hint = (
        'put HICO-DET under `data_root` and let `genvlkt data download hico --root data/hico_20160224_det` '
        'tell where its files come from and verify the folder'
    )

    def __init__(self, *args: Any, split: str | None = None, **kwargs: Any) -> None:
        self.split = split
        super().__init__(*args, **kwargs)

    def load_records(self) -> list[dict]:
        """Reads the annotation file, see the class."""
        self.reader_options = dict(split=self.split or ('test' if self.test_mode else 'train'))
        records = super().load_records()
        for record in records if self.family == 'qpic' else ():
            hois = record.get('hoi_annotation') if isinstance(record, dict) else None
            if isinstance(hois, list) and any(isinstance(hoi, dict) and 'hoi_category_id' not in hoi for hoi in hois):
                raise ValueError(
                    f"'{self.ann_file}' is no file of HICO-DET: image '{record.get('file_name')}' has a pair without "
                    "`hoi_category_id` (V-COCO's files lack it)."
                )
        return records
