"""HICO-DET."""

from mmdet.registry import DATASETS

from .hoi_dataset import HOIDataset


@DATASETS.register_module()
class HICODetDataset(HOIDataset):
    """HICO-DET (Chao et al., WACV 2018): 80 objects, 117 verbs, 600 HOI classes.

    Reads ``trainval_hico.json`` / ``test_hico.json`` (QPIC / PPDM, 0-based boxes), ``instances_*2015.json``
    (UPT / PViC, 1-based, turned 0-based) and the JSON of ``tools/dataset_converters/hico_det.py``.

    Args:
        *args: See :class:`HOIDataset`.
        **kwargs: See :class:`HOIDataset`.
    """

    default_vocabulary = 'hico'
    dataset_name = 'hico'
    missing_hint = (
        'put HICO-DET under `data_root` and let `python tools/download_dataset.py hico --root data/hico_20160224_det` '
        'tell where its files come from and verify the folder'
    )
