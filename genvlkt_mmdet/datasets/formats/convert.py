"""Converts the releases to the documented JSON, with the file names in the configs."""

from collections.abc import Sequence
from pathlib import Path

from ...vocabulary import load_vocabulary
from .hico_release import read_hico_release
from .json_file import write_annotations
from .merge import merge_record
from .vsrl import read_vsrl


def convert_hico(release: str | Path, out_dir: str | Path, merge_iou: float = 0.5) -> list[Path]:
    """Converts HICO-DET's release.

    Args:
        release (str | Path): Folder with ``anno_bbox.mat`` and ``anno.mat``.
        out_dir (str | Path): Folder for ``trainval_hico.json`` (nearly identical boxes of one pair are merged)
            and ``test_hico.json`` (as annotated, with image-level labels).
        merge_iou (float): IoU threshold for merging boxes, see :func:`.merge.merge_boxes`. 0: no merging.

    Returns:
        list[Path]: The two files.

    Raises:
        FileNotFoundError: If a file of the release is missing.
        ValueError: If the content of a file is wrong.
    """
    vocabulary, release, out_dir = load_vocabulary('hico'), Path(release), Path(out_dir)
    test = read_hico_release(release / 'anno_bbox.mat', 'test', vocabulary, release / 'anno.mat')
    train = read_hico_release(release / 'anno_bbox.mat', 'train', vocabulary)
    if merge_iou:
        train = [merge_record(record, merge_iou) for record in train]
    return [
        write_annotations(train, out_dir / 'trainval_hico.json'),
        write_annotations(test, out_dir / 'test_hico.json'),
    ]


def convert_vcoco(release: str | Path, coco_file: str | Path | Sequence[str | Path], out_dir: str | Path) -> list[Path]:
    """Converts V-COCO's release.

    Args:
        release (str | Path): Folder with ``vcoco_test.json`` and ``vcoco_trainval.json``, or ``vcoco_train.json`` and
            ``vcoco_val.json``.
        coco_file (str | Path | Sequence): COCO instances, see :func:`.vsrl.read_vsrl`.
        out_dir (str | Path): Folder for ``trainval_vcoco.json`` and ``test_vcoco.json``.

    Returns:
        list[Path]: The two files.

    Raises:
        FileNotFoundError: If a file is missing.
        ValueError: If the content of a file is wrong.
    """
    vocabulary, release, out_dir = load_vocabulary('vcoco'), Path(release), Path(out_dir)
    joined = (release / 'vcoco_trainval.json').is_file()
    names = ['vcoco_trainval.json'] if joined else ['vcoco_train.json', 'vcoco_val.json']
    *train, test = read_vsrl([release / name for name in (*names, 'vcoco_test.json')], coco_file, vocabulary)
    return [
        write_annotations([record for part in train for record in part], out_dir / 'trainval_vcoco.json'),
        write_annotations(test, out_dir / 'test_vcoco.json'),
    ]
