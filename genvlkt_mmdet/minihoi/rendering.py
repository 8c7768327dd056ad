"""Renders the splits of MiniHOI to a folder, and checks what is there already."""

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
"""Increased whenever the same seed gives other images."""

SPLIT_SIZES: Mapping[str, int] = {'pretrain': 12000, 'train': 6000, 'val': 500, 'test': 1000}
"""Number of images of each split."""

LONG_TAIL_SPLITS = ('train',)
"""Splits with long-tailed HOI classes. In the others, all classes are equally frequent: in 'val' and 'test' because each AP
needs enough instances, and in 'pretrain' because it is for detection."""

STREAMS = {'train': 0, 'val': 1, 'test': 2, 'pretrain': 3}
"""Number of the random stream of each split."""
_DEFAULTS = json.loads(json.dumps(asdict(Difficulty())))  # as in the meta file
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
    """Renders the splits that are missing.

    Writes ``images/{split}/%06d.jpg``, ``annotations/{split}.json`` (HOI), ``annotations/{split}_coco.json`` (COCO
    detection) and ``meta.json`` (the parameters). Image i of a split depends only on the seed, the split and i.

    A split is rendered under a lock to a temporary folder, which is then moved. So several processes can call this at the
    same time, and a killed process leaves no incomplete split.

    Args:
        root (str | Path): Folder of the dataset: missing, empty, or with MiniHOI in it.
        splits (Sequence[str]): Any of ``'pretrain'``, ``'train'``, ``'val'``, ``'test'``.
        seed (int): Seed of the dataset.
        workers (int): Number of processes.
        difficulty (str | Mapping | Difficulty): See :class:`Difficulty`.
        sizes (Mapping[str, int], optional): Numbers of images that differ from :data:`SPLIT_SIZES`.
        overwrite (bool): Whether to render splits again that were rendered with other parameters.
        progress (bool): Whether to show a progress bar.

    Raises:
        ValueError: If a split is unknown or its size is not positive.
        FileExistsError: If a split was rendered with other parameters, or if the folder has other files.
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
    common = json.loads(
        json.dumps(dict(version=VERSION, seed=seed, difficulty=asdict(settings)))
    )  # as in the meta file
    wanted = {split: dict(common, images=sizes[split]) for split in splits}
    if _all_there(root, wanted):
        return
    # Another process that has just started leaves only hidden files before `meta.json`.
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


def rendered_with(root: Path) -> dict[str, Any]:
    """Parameters of the rendered splits in a folder, by split."""
    try:
        splits = json.loads((root / 'meta.json').read_text(encoding='utf-8'))['splits']
        # Files of earlier versions lack the fields that came later.
        return {split: dict(meta, difficulty=_DEFAULTS | meta['difficulty']) for split, meta in splits.items()}
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (ValueError, KeyError, TypeError):
        raise FileExistsError(
            f"'{root / 'meta.json'}' is not a file of MiniHOI: remove it, or choose another folder."
        ) from None


def _all_there(root: Path, wanted: Mapping[str, Any]) -> bool:
    there = rendered_with(root)
    return all(
        there.get(split) == parameters
        and (root / 'images' / split).is_dir()
        and all((root / 'annotations' / f'{split}{kind}.json').is_file() for kind in ('', '_coco'))
        for split, parameters in wanted.items()
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
    there = rendered_with(root)  # again inside the lock, because another process may have rendered the split
    if _all_there(root, {split: parameters}):
        return
    target = root / 'images' / split
    if split in there and there[split] != parameters and not overwrite:
        asked, found = ({**values, **values.get('difficulty', {})} for values in (parameters, there[split]))
        differs = next(key for key in [*asked, *found] if key != 'difficulty' and asked.get(key) != found.get(key))
        raise FileExistsError(
            f"MiniHOI split '{split}' in '{root}' was rendered with {differs} {found.get(differs)} instead of "
            f'{asked.get(differs)}: remove the folder, choose another, or ask for overwriting.'
        )
    print_log(f"Rendering MiniHOI split '{split}', {parameters['images']} images, to '{root.resolve()}'.", 'current')
    there.pop(split, None)
    _write_json(root / 'meta.json', dict(dataset='MiniHOI', splits=there))
    aside = root / 'images' / f'.{split}.partial'
    shutil.rmtree(aside, ignore_errors=True)  # of a killed process
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
    _write_json(root / 'annotations' / f'{split}_coco.json', _to_coco(entries))
    shutil.rmtree(target, ignore_errors=True)
    aside.rename(target)
    there[split] = parameters
    _write_json(root / 'meta.json', dict(dataset='MiniHOI', splits=there))


def _map(jobs: list[tuple], workers: int) -> Iterator[list[dict[str, Any]]]:
    # A daemon, such as a worker of a data loader, cannot have children.
    if workers <= 1 or len(jobs) == 1 or multiprocessing.current_process().daemon:
        yield from map(_render_chunk, jobs)
        return
    # Forked children start at once. Spawned ones import torch and mmdet first.
    method = 'fork' if 'fork' in multiprocessing.get_all_start_methods() else 'spawn'
    context = multiprocessing.get_context(method)
    with ProcessPoolExecutor(workers, context, initializer=_end_with_parent) as pool:
        yield from pool.map(_render_chunk, jobs)


def _end_with_parent() -> None:
    """Makes a worker end when its parent ends, even if the parent is killed."""

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


def _to_coco(entries: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """COCO detection annotations of all persons and objects in the records of an HOI annotation file."""
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
