"""Batch jobs: which rows are missing, and who computes them."""

import hashlib
import math
import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from ..apis import HOIInferencer
from ..apis.hoi_inferencer import DEFAULT_WEIGHTS, check_options
from ..assets import SCHEME, asset_path
from ..datasets.image_file import MAX_PIXELS
from ..datasets.result_rows import classes_digest, digest, read_keys, read_settings, result_files
from ..datasets.storage import Storage, need_pyarrow, open_storage
from ..version import __version__
from ..visualization import DEFAULT_SCORE_THR
from ..vocabulary import read_hoi_list
from .inputs import find_inputs
from .ray_engine import need_ray, run_with_ray
from .worker import Report, Task, Unit, Worker

ENGINES = ('serial', 'ray')
_FILE = re.compile(r'([0-9a-f]{8})-(images|file)-([0-9a-f]{16})-\d{9}(-last)?\.parquet')


@dataclass
class Summary:
    """What a job has done.

    Attributes:
        rows (int): Number of rows that were computed.
        errors (int): Number of those with an error.
        existing (int): Number of image files that had a row already.
        complete (int): Number of tar files, row groups of Parquet files and videos that were complete already.
        reports (list[Report]): The report of each unit.
    """

    rows: int = 0
    errors: int = 0
    existing: int = 0
    complete: int = 0
    reports: list[Report] = field(default_factory=list)


def detect_rows(
    sources: Sequence[str | Path],
    out: str | Path,
    model: dict[str, Any] | None = None,
    engine: str = 'serial',
    workers: int | None = None,
    batch_size: int = 1,
    rows_per_file: int = 1000,
    column: str | None = None,
    recursive: bool = False,
    stride: int = 1,
    pred_score_thr: float = DEFAULT_SCORE_THR,
    top_k: int | None = None,
    max_pixels: int = MAX_PIXELS,
    progress: Callable[[Summary], None] | None = None,
) -> Summary:
    """Detects the interactions in any number of images, and writes one row per image to Parquet files.

    Rows that exist in ``out`` are not computed again. An image that cannot be read gets a row with the error. A process that
    torchrun has started takes its share of the images (``RANK``, ``WORLD_SIZE``).

    Args:
        sources (Sequence[str | Path]): Images, folders, tar files, Parquet files and videos, see
            :func:`~genvlkt_mmdet.scale.inputs.find_inputs`.
        out (str | Path): Folder for the rows, or its address in an object store.
        model (dict, optional): Arguments of :class:`HOIInferencer`. None: the small model that ships with the package.
        engine (str): 'serial' (default), in this process; or 'ray', on the actors of Ray Data.
        workers (int, optional): Number of actors of Ray. None: one per GPU, or per CPU if there is none.
        batch_size (int): Number of images of equal size that run through the network together.
        rows_per_file (int): Maximum number of rows of an output file. A worker that dies loses at most their time.
        column (str, optional): Of Parquet files, the column with the images.
        recursive (bool): Whether the subfolders of folders are searched as well.
        stride (int): Of a video, every how many frames one is taken.
        pred_score_thr (float): Triplets with a higher score are kept.
        top_k (int, optional): Maximum number of triplets per image, highest score first. None: no limit.
        max_pixels (int): Maximum width times height of an image.
        progress (Callable, optional): Is called after each unit of work.

    Returns:
        Summary: What was done.

    Raises:
        FileNotFoundError: If a source does not exist.
        ImportError: If pyarrow, Ray or PyAV is needed and not installed.
        OSError: If a result cannot be written.
        ValueError: If a setting is out of range, there is no image, or ``out`` holds other files or rows of another run.
    """
    check_options(batch_size, pred_score_thr, top_k, max_pixels=max_pixels, stride=stride)
    for name, value in (('workers', workers or 1), ('rows_per_file', rows_per_file)):
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise ValueError(f'{name} must be a whole number of at least 1, not {value!r}.')
    if engine not in ENGINES:
        raise ValueError(f"There is no engine '{engine}'; there are {', '.join(ENGINES)}.")
    need_pyarrow()
    if engine == 'ray':
        need_ray()
    model = dict(model or {})
    if isinstance(model.get('vocabulary'), (str, Path)):
        model['vocabulary'] = read_hoi_list(model['vocabulary'])  # the workers may not see the file
    folder = open_storage(str(out))
    if folder.info().is_file:
        raise ValueError(f"The output folder '{out}' is a file: give another name.")
    rank, world = int(os.environ.get('RANK', 0)), int(os.environ.get('WORLD_SIZE', 1))
    if engine == 'ray':  # only to check the settings: the actors load it themselves
        rank, world = 0, 1
        inferencer = HOIInferencer(
            **{**model, 'device': 'cpu', 'optimize': False, 'compile': False}, show_progress=False
        )
    else:
        if 'LOCAL_RANK' in os.environ and model.get('device') is None and torch.cuda.is_available():
            model['device'] = f'cuda:{os.environ["LOCAL_RANK"]}'
        inferencer = HOIInferencer(**model, show_progress=False)
    settings = dict(
        describe_model(inferencer, model),
        pred_score_thr=float(pred_score_thr),
        top_k=top_k,
        max_pixels=max_pixels,
        stride=stride,
    )
    run = digest(settings, 8)
    settings['version'] = __version__
    task = Task(
        out=str(out),
        settings=settings,
        label=f'{settings["name"]}@{run}',
        pred_score_thr=pred_score_thr,
        top_k=top_k,
        max_pixels=max_pixels,
        stride=stride,
        column=column,
        batch_size=batch_size,
        rows_per_file=rows_per_file,
    )
    images, containers = find_inputs(map(str, sources), recursive, column)
    written = check_files(folder, run, settings)
    # The share comes first: it must not depend on what other processes have written meanwhile.
    images, containers = images[rank::world], containers[rank::world]
    existing = set(read_keys(folder, (file for file in written if '-images-' in file))) if images else set()
    missing = [path for path in images if path not in existing]
    summary = Summary(existing=len(images) - len(missing))
    # Four units for each worker, so that all end at about the same time.
    size = min(rows_per_file, math.ceil(len(missing) / (4 * (workers or os.cpu_count() or 1))))
    units = [
        Unit(f'{run}-images-{digest(paths, 16)}', paths=tuple(paths))
        for paths in (missing[i : i + size] for i in range(0, len(missing), size or 1))
    ]
    for container in containers:
        name = f'{run}-file-{digest([container.source, container.row_group], 16)}'
        parts = tuple(file for file in written if file.startswith(name))
        if any('-last' in part for part in parts):
            summary.complete += 1
        else:
            units.append(Unit(name, container=container, written=parts))
    if not units:
        return summary
    reports: Iterator[Report]
    if engine == 'ray':
        reports = run_with_ray(task, units, model, workers)
    else:
        reports = map(Worker(task, inferencer), units)
    for report in reports:
        summary.reports.append(report)
        summary.rows += report.rows
        summary.errors += report.errors
        if progress is not None:
            progress(summary)
    return summary


def describe_model(inferencer: HOIInferencer, model: dict[str, Any]) -> dict[str, Any]:
    """What decides the rows of a model: its name, and digests of its weights, config and classes.

    Args:
        inferencer (HOIInferencer): The model.
        model (dict): The arguments that it was made from.
    """
    name = str(model.get('weights') or model.get('model') or DEFAULT_WEIGHTS)
    path = asset_path(name) if name.startswith(SCHEME) else Path(name)
    content = hashlib.sha256()
    for file in (path, path.with_suffix('.bin')) if path.suffix == '.xml' else (path,):  # OpenVINO has two files
        content.update(file.read_bytes() if file.is_file() else name.encode())  # an address is known by its name
    return dict(
        name=path.stem,
        weights=content.hexdigest()[:12],
        config=digest(inferencer.cfg.to_dict()),
        classes=classes_digest(inferencer.vocabulary),
        dtype=model.get('dtype', 'auto'),
    )


def check_files(folder: Storage, run: str, settings: dict[str, Any]) -> list[str]:
    """Checks that all Parquet files of a folder are of this run.

    Args:
        folder (Storage): The folder of the result.
        run (str): Digest of the settings.
        settings (dict): The settings.

    Returns:
        list[str]: Names of the files.

    Raises:
        ValueError: If a file is of a run with other settings, or is no result.
    """
    names = result_files(folder)
    for name in names:
        match = _FILE.fullmatch(name)
        if match is None:
            raise ValueError(f"'{folder.address}' holds '{name}', which is no file of a result: give another --out.")
        if match[1] != run:
            others = read_settings(folder, name)
            differences = ', '.join(
                f'{key} {others.get(key)} instead of {value}'
                for key, value in settings.items()
                if key != 'version' and others.get(key) != value
            )
            raise ValueError(
                f"'{folder.address}' holds rows of another run ({differences}): give the same model and settings to go on, or "
                'another --out.'
            )
    return names
