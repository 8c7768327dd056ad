"""MiniHOI on disk: renders splits to a folder, once, and knows whether what lies there is what was asked for."""

import json
import multiprocessing
import os
import shutil
import tempfile
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from filelock import FileLock
from mmengine.logging import print_log

from ..files import write_file
from ..progress import progress_bar
from .catalog import vocabulary
from .scenes import Difficulty, get_difficulty, render_scene, sample_scene

VERSION = 1
"""Raised whenever the same seed gives other images than before."""

SPLIT_SIZES: Mapping[str, int] = {'pretrain': 12000, 'train': 6000, 'val': 500, 'test': 1000}
"""Images of each split. Every split draws from a random stream of its own."""

LONG_TAIL_SPLITS = ('train',)
"""Splits whose HOI classes follow the long tail. In the others all classes are equally frequent: 'val' and 'test', so
that the AP of every class rests on enough instances, and 'pretrain', which is for detection."""

STREAMS = {'train': 0, 'val': 1, 'test': 2, 'pretrain': 3}
"""Number of the random stream of each split."""
_CHUNK = 50  # images that a worker renders before it reports


def render_minihoi(
    root: str | Path,
    splits: Sequence[str] = ('train', 'val', 'test'),
    seed: int = 0,
    workers: int = 2,
    difficulty: str | Mapping[str, Any] | Difficulty = 'default',
    sizes: Mapping[str, int] | None = None,
    overwrite: bool = False,
    progress: bool = True,
) -> None:
    """Renders the splits that are not there yet.

    Writes ``images/{split}/%06d.jpg``, ``annotations/{split}.json`` (HOI), ``annotations/{split}_coco.json`` (COCO
    detection) and ``meta.json`` (what was rendered, and how). Image i of a split depends on seed, split and i alone.
    A split is rendered aside and moved into place, under a lock, so that several processes may call this at once and
    a killed one leaves nothing that looks finished. Before anything is rendered, the folder is logged.

    Args:
        root (str | Path): Folder of the dataset: absent, empty, or one that holds MiniHOI already.
        splits (Sequence[str]): Any of ``'pretrain'``, ``'train'``, ``'val'``, ``'test'``.
        seed (int): Seed of the whole dataset.
        workers (int): Number of processes.
        difficulty (str | Mapping | Difficulty): See :class:`Difficulty`.
        sizes (Mapping[str, int], optional): Other numbers of images than :data:`SPLIT_SIZES`.
        overwrite (bool): Renders a split anew when the one that is there was rendered differently.
        progress (bool): Whether to show a progress bar.

    Raises:
        ValueError: If a split is unknown or its size is not positive.
        FileExistsError: If a split is there that was rendered with other parameters, or the folder holds other files.
        PermissionError: If the folder cannot be written.
    """
    settings = get_difficulty(difficulty)
    sizes = {**SPLIT_SIZES, **(sizes or {})}
    for split in [*splits, *sizes]:
        if split not in SPLIT_SIZES:
            raise ValueError(f"MiniHOI has no split '{split}': choose from {', '.join(SPLIT_SIZES)}.")
        if sizes[split] < 1:
            raise ValueError(f"MiniHOI split '{split}' needs at least one image, but {sizes[split]} were asked for.")
    root = Path(root)
    wanted = {split: _parameters(seed, sizes[split], settings) for split in splits}
    if _all_there(root, wanted):
        return
    # Hidden files may be those of a process that begins right now; everything else is there after `meta.json` only.
    names = [path.name for path in root.iterdir() if path.name[0] != '.'] if root.is_dir() else []
    if names and not (root / 'meta.json').exists():
        raise FileExistsError(
            f"MiniHOI is not rendered into '{root.resolve()}', which holds other files: give it a folder of its own, or "
            'check `data_root` if MiniHOI should be there already.'
        )
    try:
        root.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=root) as probe:
            probe.write(b'')
    except OSError as error:
        raise PermissionError(
            f"Cannot write to '{root}' ({error.strerror}): give MiniHOI a folder that you may write to."
        ) from error
    with FileLock(root / '.minihoi.lock'):
        for split, parameters in wanted.items():
            _render_split(root, split, parameters, settings, workers, overwrite, progress)


def _parameters(seed: int, size: int, settings: Difficulty) -> dict[str, Any]:
    """What makes a rendered split what it is, as JSON reads it back."""
    return json.loads(json.dumps(dict(version=VERSION, seed=seed, images=size, difficulty=asdict(settings))))


def _flat(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters with those of the difficulty beside the others."""
    return {**{k: v for k, v in parameters.items() if k != 'difficulty'}, **parameters.get('difficulty', {})}


def _read_meta(root: Path) -> dict[str, Any]:
    try:
        return json.loads((root / 'meta.json').read_text(encoding='utf-8'))['splits']
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (ValueError, KeyError, TypeError):
        raise FileExistsError(
            f"'{root / 'meta.json'}' is not a file of MiniHOI: remove it, or choose another folder."
        ) from None


def _all_there(root: Path, wanted: Mapping[str, Any]) -> bool:
    there = _read_meta(root)
    return all(there.get(split) == parameters and _has_files(root, split) for split, parameters in wanted.items())


def _has_files(root: Path, split: str) -> bool:
    """Whether nobody has removed what the meta file promises."""
    annotations = root / 'annotations'
    return (
        (root / 'images' / split).is_dir()
        and (annotations / f'{split}.json').is_file()
        and (annotations / f'{split}_coco.json').is_file()
    )


def _render_split(
    root: Path,
    split: str,
    parameters: dict[str, Any],
    settings: Difficulty,
    workers: int,
    overwrite: bool,
    progress: bool,
) -> None:
    there = _read_meta(root)  # again, inside the lock: another process may have been faster
    if _all_there(root, {split: parameters}):
        return
    target = root / 'images' / split
    if split in there and there[split] != parameters and not overwrite:
        asked, found = (_flat(values) for values in (parameters, there[split]))
        differs = next(key for key in [*asked, *found] if asked.get(key) != found.get(key))
        raise FileExistsError(
            f"MiniHOI split '{split}' in '{root}' was rendered with {differs} {found.get(differs)} instead of "
            f'{asked.get(differs)}: remove the folder, choose another, or ask for overwriting.'
        )
    print_log(f"Rendering MiniHOI split '{split}', {parameters['images']} images, to '{root.resolve()}'.", 'current')
    there.pop(split, None)
    _write_json(root / 'meta.json', dict(dataset='MiniHOI', splits=there))
    aside = root / 'images' / f'.{split}.partial'
    shutil.rmtree(aside, ignore_errors=True)  # what a killed rendering left
    aside.mkdir(parents=True)
    (root / 'annotations').mkdir(exist_ok=True)
    size, seed = parameters['images'], parameters['seed']
    jobs = [
        (str(aside), split, seed, range(start, min(start + _CHUNK, size)), settings) for start in range(0, size, _CHUNK)
    ]
    entries: list[dict[str, Any]] = []
    with progress_bar(f'MiniHOI {split}', size, progress) as advance:
        for chunk in _map(jobs, workers):
            entries += chunk
            advance(len(chunk))
    _write_json(root / 'annotations' / f'{split}.json', entries)
    _write_json(root / 'annotations' / f'{split}_coco.json', to_coco(entries))
    shutil.rmtree(target, ignore_errors=True)
    aside.rename(target)
    there[split] = parameters
    _write_json(root / 'meta.json', dict(dataset='MiniHOI', splits=there))


def _map(jobs: list[tuple], workers: int) -> Iterator[list[dict[str, Any]]]:
    # A daemon, such as a worker of a data loader, may not have children.
    if workers <= 1 or len(jobs) == 1 or multiprocessing.current_process().daemon:
        yield from map(_render_chunk, jobs)
        return
    # Forked children start at once, while spawned ones would import torch and mmdet first.
    method = 'fork' if 'fork' in multiprocessing.get_all_start_methods() else 'spawn'
    context = multiprocessing.get_context(method)
    with ProcessPoolExecutor(workers, context, initializer=_end_with_parent) as pool:
        yield from pool.map(_render_chunk, jobs)


def _end_with_parent() -> None:
    """In a worker: ends it when the parent ends in whatever way; otherwise a killed parent leaves its workers behind."""

    def watch() -> None:
        wait([multiprocessing.parent_process().sentinel])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _render_chunk(job: tuple[str, str, int, Iterable[int], Difficulty]) -> list[dict[str, Any]]:
    folder, split, seed, indices, settings = job
    cv2.setNumThreads(0)
    entries = []
    for index in indices:
        rng = np.random.default_rng([seed, STREAMS[split], index])
        image, annotation = render_scene(sample_scene(rng, settings, long_tail=split in LONG_TAIL_SPLITS))
        name = f'{index:06d}.jpg'
        path = os.path.join(folder, name)
        if not cv2.imwrite(path, cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 92]):
            raise OSError(f"Cannot write '{path}': is the disk full?")
        entries.append(dict(file_name=name, **annotation))
    return entries


def to_coco(entries: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """COCO detection annotations of everything in HOI entries, whether or not it takes part in a pair.

    Args:
        entries (Sequence[Mapping]): Entries of the HOI annotation file.

    Returns:
        dict: ``images``, ``annotations`` (``bbox`` x, y, width, height) and ``categories``.
    """
    vocab = vocabulary()
    images, annotations = [], []
    for image_id, entry in enumerate(entries):
        images.append(dict(id=image_id, file_name=entry['file_name'], width=entry['width'], height=entry['height']))
        for thing in entry['annotations']:
            x1, y1, x2, y2 = thing['bbox']
            width, height = round(x2 - x1, 2), round(y2 - y1, 2)
            annotations.append(
                dict(
                    id=len(annotations) + 1,
                    image_id=image_id,
                    category_id=thing['category_id'],
                    bbox=[x1, y1, width, height],
                    area=round(width * height, 2),
                    iscrowd=0,
                )
            )
    categories = [dict(id=i, name=name) for i, name in zip(vocab.object_ids, vocab.object_names, strict=True)]
    return dict(images=images, annotations=annotations, categories=categories)


def _write_json(path: Path, content: Any) -> None:
    write_file(path, json.dumps(content).encode())
