"""Images of a batch job: in folders, tar files (WebDataset), Parquet files and videos, on disks and in object stores."""

import os.path as osp
import tarfile
import zlib
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import count
from typing import Any

import numpy as np
from mmdet.apis.det_inferencer import IMG_EXTENSIONS

from ..apis.sources import ImageInput, decode_image, find_images, is_video, read_image
from ..datasets.image_file import MAX_PIXELS
from ..datasets.result_rows import SUFFIX
from ..datasets.storage import Storage, need_pyarrow, open_storage
from ..datasets.video_file import VIDEO_EXTENSIONS, read_video

_TAR = ('.tar', '.tar.gz', '.tgz')
_FILES = (*IMG_EXTENSIONS, *VIDEO_EXTENSIONS, *_TAR, SUFFIX)
# Columns that name the images of a Parquet file, and columns of paths.
_NAMES = ('file_name', 'filename', 'image_path', 'path', '__key__', 'key')
#: What reading a damaged file can raise.
READ_ERRORS = (OSError, ValueError, EOFError, MemoryError, tarfile.TarError, zlib.error)


@dataclass(frozen=True)
class Item:
    """One image of a job.

    Attributes:
        key (str): Identifies it in the result, see :func:`~genvlkt_mmdet.datasets.result_rows.schema`.
        image (str): Its name.
        load (Callable): Returns the pixels, (H, W, 3) uint8 BGR. Raises one of :data:`READ_ERRORS`.
        frame (int, optional): Index of the frame in its video.
        time (float, optional): Time of the frame in seconds.
    """

    key: str
    image: str
    load: Callable[[], np.ndarray]
    frame: int | None = None
    time: float | None = None


@dataclass(frozen=True)
class Container:
    """A file with several images: a tar file, one row group of a Parquet file, or a video.

    Attributes:
        source (str): Its path or address.
        row_group (int, optional): Of a Parquet file, the row group.
        first_row (int): Index of the first row of this row group in the file.
    """

    source: str
    row_group: int | None = None
    first_row: int = 0


def find_inputs(
    sources: Iterable[str], recursive: bool = False, column: str | None = None
) -> tuple[list[str], list[Container]]:
    """Finds the images of a job. Folders are listed and the ends of Parquet files are read, nothing else.

    Args:
        sources (Iterable[str]): Paths and addresses of images, tar files, Parquet files, videos, folders of them, and all that
            :func:`~genvlkt_mmdet.apis.sources.find_images` finds.
        recursive (bool): Whether the subfolders of folders are searched as well.
        column (str, optional): Of Parquet files, the column with the images. None: see :func:`find_columns`.

    Returns:
        tuple[list[str], list[Container]]: Paths of image files, and the other files. Each is there once.

    Raises:
        FileNotFoundError: If a file does not exist.
        ValueError: If there is no image, or no such column.
        ModuleNotFoundError: If there is a video, but PyAV is not installed.
    """
    files: dict[str, None] = {}
    for source in sources:
        if source.startswith(('http://', 'https://', 'rtsp://', 'rtsps://', 'rtmp://', 'rtmps://')):
            files[source] = None
        elif '://' in source or osp.isdir(source):
            files.update(dict.fromkeys(_files_in(source, recursive)))
        elif source.lower().endswith((*_TAR, SUFFIX)) and osp.isfile(source):
            files[osp.normpath(source)] = None
        else:
            found: Iterable[ImageInput] = find_images(source).items
            files.update((path if '://' in path else osp.normpath(path), None) for path in map(str, found))
    images, containers = [], []
    for file in files:
        if file.lower().endswith(SUFFIX):
            containers += _row_groups(file, column)
        elif file.lower().endswith(_TAR) or is_video(file):
            containers.append(Container(file))
        else:
            images.append(file)
    if any(is_video(container.source) for container in containers):
        import av  # noqa: F401  (its absence is an error of the command, not of each video)
    return images, containers


def _files_in(address: str, recursive: bool) -> list[str]:
    """Images and containers of a folder, or the one file that the address names."""
    storage = open_storage(address)
    if storage.info().is_file:
        return [address]
    found = [
        name
        for name in storage.names(recursive)
        if name.lower().endswith(_FILES) and not any(part.startswith('.') for part in name.split('/'))
    ]
    if not found:
        where = '' if recursive else ' Its subfolders are searched only with --recursive.'
        raise ValueError(f"'{address}' holds no image, video, tar or Parquet file.{where}")
    folder = address.rstrip('/') if '://' in address else osp.normpath(address)
    return [f'{folder}/{name}' if folder != '.' else name for name in found]


def _row_groups(file: str, column: str | None) -> list[Container]:
    """The row groups of a Parquet file. One that cannot be read becomes a container, which gives a row with the error."""
    parquet = need_pyarrow().parquet
    try:
        storage = open_storage(file)
        with storage.system.open_input_file(storage.path) as opened:
            parquet_file = parquet.ParquetFile(opened)
            metadata, schema = parquet_file.metadata, parquet_file.schema_arrow
    except READ_ERRORS:
        return [Container(file, 0)]
    find_columns(schema, file, column)
    containers, first_row = [], 0
    for i in range(metadata.num_row_groups):
        containers.append(Container(file, i, first_row))
        first_row += metadata.row_group(i).num_rows
    return containers


def image_items(paths: Iterable[str], max_pixels: int = MAX_PIXELS) -> Iterator[Item]:
    """Yields the items of image files."""
    for path in paths:
        yield Item(path, path, partial(_load_file, path, max_pixels))


def container_items(
    container: Container, done: Collection[str], column: str | None, stride: int = 1, max_pixels: int = MAX_PIXELS
) -> Iterator[Item | None]:
    """Yields the items of a container, in its order.

    Args:
        container (Container): The container.
        done (Collection[str]): Keys of images that are not wanted: None stands for them, so that positions stay.
        column (str, optional): Of a Parquet file, the column with the images. None: it is found by its type and name.
        stride (int): Of a video, every how many frames one is taken.
        max_pixels (int): Maximum width times height of an image.

    Raises:
        READ_ERRORS: If the container is damaged. The items before are yielded.
    """
    if container.row_group is not None:
        yield from _parquet_items(container, done, column, max_pixels)
    elif is_video(container.source):
        yield from _video_items(container.source, done, stride, max_pixels)
    else:
        yield from _tar_items(container.source, done, max_pixels)


def _tar_items(source: str, done: Collection[str], max_pixels: int) -> Iterator[Item | None]:
    storage, seen = open_storage(source), set()
    with (
        storage.system.open_input_stream(storage.path, compression=None) as file,
        tarfile.open(fileobj=file, mode='r|*') as tar,
    ):
        for member in tar:
            if not member.isfile() or not member.name.lower().endswith(IMG_EXTENSIONS):
                continue
            name = next(name for name in _numbered(member.name) if name not in seen)
            seen.add(name)
            key = f'{source}/{name}'
            if key in done:
                yield None
                continue
            if member.size > 4 * max_pixels:
                problem = f"'{key}' has {member.size:,} bytes, more than an image of {max_pixels:,} pixels can have."
                yield Item(key, member.name, partial(_fail, problem))
                continue
            opened = tar.extractfile(member)
            assert opened is not None  # it is a file
            yield Item(key, member.name, partial(decode_image, opened.read(), key, max_pixels))


def _numbered(name: str) -> Iterator[str]:
    """A name, and then the name with a number, for a tar file with two members of the same name."""
    yield name
    yield from (f'{name}#{number}' for number in count(2))


def _parquet_items(
    container: Container, done: Collection[str], column: str | None, max_pixels: int
) -> Iterator[Item | None]:
    storage = open_storage(container.source)
    with storage.system.open_input_file(storage.path) as opened:
        file = need_pyarrow().parquet.ParquetFile(opened)
        column, name_column = find_columns(file.schema_arrow, container.source, column)
        columns = [column] if name_column is None else [column, name_column]
        row = container.first_row
        for batch in file.iter_batches(64, row_groups=[container.row_group], columns=columns):
            for values in zip(*(batch[name].to_pylist() for name in columns)):
                key = f'{container.source}#{row}'
                row += 1
                yield None if key in done else _parquet_item(key, values[0], values[-1], storage, max_pixels)


def _parquet_item(key: str, value: Any, name: Any, storage: Storage, max_pixels: int) -> Item:
    if isinstance(value, dict):  # datasets of Hugging Face
        value, name = value.get('bytes') or value.get('path'), value.get('path') or name
    name = name if isinstance(name, str) else key
    if isinstance(value, bytes):
        return Item(key, name, partial(decode_image, value, key, max_pixels))
    if isinstance(value, str):
        folder = storage.address.rpartition('/')[0]
        path = value if '://' in value or osp.isabs(value) or not folder else f'{folder}/{value}'
        return Item(key, value, partial(_load_file, path, max_pixels))
    return Item(key, name, partial(_fail, f"'{key}' holds no image: it is null."))


def find_columns(schema: Any, source: str, column: str | None) -> tuple[str, str | None]:
    """Finds the column with the images (bytes, paths, or Hugging Face's struct of both) and the column that names them.

    Raises:
        ValueError: If there is no such column, or there are several.
    """
    types = need_pyarrow().types

    def is_image(kind: Any) -> bool:
        return types.is_binary(kind) or types.is_large_binary(kind) or (types.is_struct(kind) and 'bytes' in kind.names)

    texts = [f.name for f in schema if types.is_string(f.type) or types.is_large_string(f.type)]
    names = [name for name in _NAMES if name in texts]
    if column is None:
        found = [f.name for f in schema if is_image(f.type)] or names[:1]
        if len(found) != 1:
            what = (
                f'several columns that can hold images ({", ".join(found)})'
                if found
                else 'no column of images or paths'
            )
            raise ValueError(f"'{source}' has {what}: name the column with --column.")
        column = found[0]
    elif column not in texts and not (column in schema.names and is_image(schema.field(column).type)):
        raise ValueError(f"'{source}' has no column '{column}' of bytes or paths; it has {', '.join(schema.names)}.")
    return column, None if column in texts else next(iter(names), None)


def _video_items(source: str, done: Collection[str], stride: int, max_pixels: int) -> Iterator[Item | None]:
    if source.startswith('file://'):
        local = open_storage(source).path
    elif '://' in source and not source.startswith(('http', 'rtsp', 'rtmp')):
        raise ValueError(f"'{source}': videos are read from disks and http addresses only: copy it to a disk.")
    else:
        local = source
    with read_video(local, stride, max_pixels) as video:
        for frame, time, pixels in video:
            key = f'{source}#{frame}'
            yield None if key in done else Item(key, source, partial(np.asarray, pixels), frame, time)
    if video.error:
        raise ValueError(video.error)


def _load_file(path: str, max_pixels: int) -> np.ndarray:
    if '://' in path and not path.startswith(('http://', 'https://')):
        return decode_image(open_storage(path).read(), path, max_pixels)
    return read_image(path, max_pixels)


def _fail(problem: str) -> np.ndarray:
    raise ValueError(problem)
