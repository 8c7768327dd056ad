"""One worker of a batch job: a model, and the rows of the units that it is given."""

import os
import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

import torch

from ..apis import HOIInferencer, HOIResult
from ..apis.sources import LoadedImage
from ..datasets.result_rows import SUFFIX, box_struct, read_keys, write_rows
from ..datasets.storage import open_storage
from ..engine import one_line
from .inputs import READ_ERRORS, Container, Item, container_items, image_items

Row = dict[str, Any]


@dataclass(frozen=True)
class Unit:
    """Work that one worker does alone: some image files, or a container.

    Attributes:
        name (str): How the names of its output files begin.
        paths (tuple[str, ...]): The image files.
        container (Container, optional): The container. None: there are image files.
        written (tuple[str, ...]): Output files that an earlier run has written.
    """

    name: str
    paths: tuple[str, ...] = ()
    container: Container | None = None
    written: tuple[str, ...] = ()


@dataclass(frozen=True)
class Report:
    """What a worker has done with a unit.

    Attributes:
        rows (int): Number of rows that it has computed and written.
        errors (int): Number of those that have an error.
        loaded (float): When the worker had loaded its model, in seconds since 1970.
        started (float): When it began with the unit.
        ended (float): When it was done.
        worker (int): Its process id.
    """

    rows: int
    errors: int
    loaded: float
    started: float
    ended: float
    worker: int


@dataclass(frozen=True)
class Task:
    """What all workers of a job do with their units.

    Attributes:
        out (str): Folder of the result, or its address.
        settings (dict): What decides the content of a row, see :func:`~genvlkt_mmdet.datasets.result_rows.write_rows`.
        label (str): Column ``model`` of the rows.
        pred_score_thr (float): Triplets with a higher score are kept.
        top_k (int, optional): Maximum number of triplets per image.
        max_pixels (int): Maximum width times height of an image.
        stride (int): Of a video, every how many frames one is taken.
        column (str, optional): Of a Parquet file, the column with the images.
        batch_size (int): Number of images of the same size that run through the network together.
        rows_per_file (int): Maximum number of rows of an output file.
    """

    out: str
    settings: dict[str, Any]
    label: str
    pred_score_thr: float
    top_k: int | None
    max_pixels: int
    stride: int
    column: str | None
    batch_size: int
    rows_per_file: int


class Worker:
    """Computes the rows of units, one after the other.

    A worker can be killed at any time. Its output files are complete or absent, and their names follow from the unit and the
    position in it. So another worker that gets the same unit finds what is there, and computes the rest.

    Args:
        task (Task): What to do.
        inferencer (HOIInferencer): The model.
    """

    def __init__(self, task: Task, inferencer: HOIInferencer) -> None:
        self.task, self.inferencer = task, inferencer
        self.folder = open_storage(task.out)
        self.loaded = time.time()

    def __call__(self, unit: Unit) -> Report:
        """Computes and writes the rows of a unit that are not there yet."""
        started, task = time.time(), self.task
        done = set(read_keys(self.folder, unit.written))
        counts = dict(rows=0, errors=0)
        rows: list[Row] = []
        first, waiting = 0, _Waiting(self)

        def write(last: bool) -> None:
            waiting.finish()
            name = _file_name(unit, first, last)
            write_rows(self.folder, name, rows, task.settings)
            counts['rows'] += len(rows)
            counts['errors'] += sum(row['error'] is not None for row in rows)
            rows.clear()

        for position, item in enumerate(self._items(unit, done)):
            if item is None or item.key in done:
                continue
            if len(rows) == task.rows_per_file:
                write(last=False)
            if not rows:
                first = position
                written = self._written(unit, first)
                if written:  # by a worker that died later in this unit
                    done.update(read_keys(self.folder, written))
                    if item.key in done:
                        continue
            rows.append(_empty_row(item, task.label))
            waiting.add(item, rows[-1])
        if rows or not self._written(unit, first, last=True):
            write(last=True)
        return Report(**counts, loaded=self.loaded, started=started, ended=time.time(), worker=os.getpid())

    def _items(self, unit: Unit, done: Collection[str]) -> Iterator[Item | None]:
        if unit.container is None:
            yield from image_items(unit.paths, self.task.max_pixels)
            return
        try:
            yield from container_items(unit.container, done, self.task.column, self.task.stride, self.task.max_pixels)
        except READ_ERRORS as error:
            source = unit.container.source
            group = '' if unit.container.row_group is None else f'#group{unit.container.row_group}'
            problem = ValueError(f"'{source}' cannot be read to its end ({one_line(error)}).")

            def load() -> Any:
                raise problem

            yield Item(source + group, source, load)

    def _written(self, unit: Unit, first: int, last: bool = False) -> list[str]:
        names = [_file_name(unit, first, True)] + ([] if last else [_file_name(unit, first, False)])
        return [name for name in names if self.folder.exists(name)]

    def detect(self, images: list[tuple[Row, LoadedImage]]) -> None:
        """Fills the rows of images of the same size."""
        try:
            results = self.inferencer.detect([image for _, image in images], self.task.pred_score_thr, self.task.top_k)
        # A row has the error of its own image only.
        except (ValueError, MemoryError, torch.OutOfMemoryError) as error:
            if len(images) == 1:
                images[0][0]['error'] = one_line(error)
                return
            for image in images:
                self.detect([image])
            return
        for (row, _), result in zip(images, results, strict=True):
            row['triplets'] = triplets_of(result)


class _Waiting:
    """Images that wait until a batch of their size is full. Few of them are in memory at a time."""

    def __init__(self, worker: Worker) -> None:
        self.worker, self.limit = worker, worker.task.batch_size
        self.groups: dict[tuple[int, ...], list[tuple[Row, LoadedImage]]] = {}

    def add(self, item: Item, row: Row) -> None:
        """Loads an image. An error becomes that of its row."""
        try:
            pixels = item.load()
        except READ_ERRORS as error:
            row['error'] = one_line(error)
            return
        row['height'], row['width'] = pixels.shape[:2]
        group = self.groups.setdefault(pixels.shape, [])
        group.append((row, LoadedImage(pixels, item.image, item.key)))
        if len(group) == self.limit:
            self.worker.detect(self.groups.pop(pixels.shape))
        elif sum(map(len, self.groups.values())) >= 4 * self.limit:  # many sizes
            self.worker.detect(self.groups.pop(max(self.groups, key=lambda size: len(self.groups[size]))))

    def finish(self) -> None:
        """Detects in the images that still wait."""
        for group in self.groups.values():
            self.worker.detect(group)
        self.groups.clear()


def _empty_row(item: Item, model: str) -> Row:
    return dict(
        key=item.key,
        image=item.image,
        frame=item.frame,
        time=item.time,
        width=None,
        height=None,
        triplets=[],
        error=None,
        model=model,
    )


def triplets_of(result: HOIResult) -> list[dict[str, Any]]:
    """The triplets of a row, see :func:`~genvlkt_mmdet.datasets.result_rows.schema`."""
    return [
        dict(
            verb=hoi['verb'],
            object=hoi['object'],
            phrase=hoi['phrase'],
            hoi=label,
            score=hoi['score'],
            query=hoi['query'],
            human_box=box_struct(hoi['human_box']),
            object_box=box_struct(hoi['object_box']),
        )
        for hoi, label in zip(result, result.hoi_labels, strict=True)
    ]


def _file_name(unit: Unit, first: int, last: bool) -> str:
    """Name of the file that begins with the image at position ``first``; the last file of a unit says so."""
    return f'{unit.name}-{first:09d}{"-last" if last else ""}{SUFFIX}'
