"""Results of many images as rows in Parquet files: the schema, writing and reading. docs/scale.md describes the columns."""

import hashlib
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..files import names_file
from ..vocabulary import HOIVocabulary
from .storage import Storage, need_pyarrow, open_storage

if TYPE_CHECKING:
    from pyarrow import Schema, Table

SUFFIX = '.parquet'
_BOX = ('x1', 'y1', 'x2', 'y2')
_SETTINGS = b'genvlkt'  # key of the settings in the metadata of a file
_ADVICE = 'remove the file, and run the job again'


@cache
def schema() -> 'Schema':
    """The columns of a row. There is one row per image or video frame.

    - ``key``: what identifies the image in its result: path of the image, ``archive.tar/member``, ``table.parquet#row`` or
      ``video.mp4#frame``.
    - ``image``: name of the image: its path, or what names it in its Parquet file. For a frame, the video.
    - ``frame``, ``time``: index of the frame in its video, from 0, and its time in seconds. Null for an image.
    - ``width``, ``height``: size in pixels. Null if the image could not be read.
    - ``triplets``: the interactions, highest score first. Empty if the image could not be read.
    - ``error``: why there is no result. Null if all is well.
    - ``model``: name of the weights, and digest of the settings that decide what a row contains.

    Fields of a triplet: ``verb``, ``object`` (null: none), ``phrase``; ``hoi``, index of the class in the model's vocabulary;
    ``score``, 0 to 2; ``query``, equal for triplets of the same pair of boxes; ``human_box`` and ``object_box`` (null: none), in
    pixels of the image. All numbers of the model are kept exactly: they are 32-bit floats.
    """
    pa = need_pyarrow()
    box = pa.struct([(side, pa.float32()) for side in _BOX])
    triplet = pa.struct(
        [
            ('verb', pa.string()),
            ('object', pa.string()),
            ('phrase', pa.string()),
            ('hoi', pa.int32()),
            ('score', pa.float32()),
            ('query', pa.int32()),
            ('human_box', box),
            ('object_box', box),
        ]
    )
    return pa.schema(
        [
            pa.field('key', pa.string(), nullable=False),
            pa.field('image', pa.string(), nullable=False),
            ('frame', pa.int32()),
            ('time', pa.float64()),
            ('width', pa.int32()),
            ('height', pa.int32()),
            pa.field('triplets', pa.list_(triplet), nullable=False),
            ('error', pa.string()),
            pa.field('model', pa.string(), nullable=False),
        ]
    )


def digest(value: Any, length: int = 12) -> str:
    """First hexadecimal digits of the SHA-256 of bytes, or of anything else as JSON.

    Examples:
        >>> digest(dict(b=1, a=2)) == digest(dict(a=2, b=1))
        True
    """
    if not isinstance(value, bytes):
        value = json.dumps(value, sort_keys=True, default=str).encode()
    return hashlib.sha256(value).hexdigest()[:length]


def classes_digest(vocabulary: HOIVocabulary) -> str:
    """Digest of what the HOI classes of a vocabulary are, in their order, without ids and splits."""
    return digest(
        [
            vocabulary.object_names,
            vocabulary.verb_names,
            vocabulary.hoi_verbs,
            vocabulary.hoi_objects,
            vocabulary.hoi_prompts,
        ]
    )


def box_struct(box: Sequence[float] | None) -> dict[str, float] | None:
    """A box [x1, y1, x2, y2] as the schema has it."""
    return None if box is None else dict(zip(_BOX, box, strict=True))


def write_rows(folder: Storage, name: str, rows: Sequence[Mapping[str, Any]], settings: Mapping[str, Any]) -> None:
    """Writes a Parquet file, complete or not at all.

    Args:
        folder (Storage): The folder.
        name (str): Name of the file.
        rows (Sequence[Mapping]): The rows, see :func:`schema`.
        settings (Mapping): What decides the content of a row; it becomes metadata of the file.
    """
    pa = need_pyarrow()
    table = pa.Table.from_pylist(list(rows), schema().with_metadata({_SETTINGS: json.dumps(settings).encode()}))
    buffer = io.BytesIO()
    pa.parquet.write_table(table, buffer, compression='zstd')
    folder.write(name, buffer.getvalue())


def read_settings(folder: Storage, name: str) -> dict[str, Any]:
    """The settings in the metadata of a file of :func:`write_rows`. A ValueError if it has none."""
    parquet = need_pyarrow().parquet
    with folder.open(name) as file, names_file(name, _ADVICE):
        metadata = parquet.read_schema(file).metadata or {}
        if _SETTINGS not in metadata:
            raise ValueError('it has no settings of genvlkt')
        return json.loads(metadata[_SETTINGS])


def read_table(folder: Storage, name: str, columns: list[str] | None = None) -> 'Table':
    """Reads a file of :func:`write_rows`, or some of its columns. A ValueError that names the file if it is damaged."""
    parquet = need_pyarrow().parquet
    with folder.open(name) as file, names_file(name, _ADVICE):
        table = parquet.ParquetFile(file).read(columns)
        missing = set(columns or schema().names) - set(table.column_names)
        if missing:
            raise ValueError(f'column {sorted(missing)[0]} is missing')
        return table


def read_keys(folder: Storage, names: Iterable[str]) -> Iterator[str]:
    """Yields the keys of all rows of some files. Nothing but this column is read."""
    for name in names:
        yield from read_table(folder, name, ['key'])['key'].to_pylist()


def result_files(folder: Storage) -> list[str]:
    """Names of the Parquet files in a folder, sorted."""
    return [name for name in folder.names() if name.endswith(SUFFIX)]


def is_rows(address: str | Path) -> bool:
    """Whether an address is a folder with Parquet files, or in an object store."""
    return '://' in str(address) or any(Path(address).glob(f'*{SUFFIX}'))


def open_rows(address: str | Path, vocabulary: HOIVocabulary) -> Iterator['Table']:
    """Opens a result and yields the table of each file.

    Args:
        address (str | Path): The folder, or its address.
        vocabulary (HOIVocabulary): The vocabulary that the classes must be of.

    Raises:
        FileNotFoundError: If there is no Parquet file.
        ValueError: If a file is damaged, or its rows are of a model with another vocabulary.
    """
    folder = open_storage(str(address))
    names = result_files(folder)
    if not names:
        raise FileNotFoundError(f"There are no Parquet files in '{address}'.")
    for name in names:
        if read_settings(folder, name).get('classes') != classes_digest(vocabulary):
            raise ValueError(
                f"'{address}' is of a model with other classes than those of the vocabulary '{vocabulary.name}': name the "
                'vocabulary of that model.'
            )
        yield read_table(folder, name)


def rows_to_records(address: str | Path, vocabulary: HOIVocabulary) -> list[dict[str, Any]]:
    """Reads a result as annotations: the detected triplets as if a person had annotated them.

    Args:
        address (str | Path): As in :func:`open_rows`.
        vocabulary (HOIVocabulary): As in :func:`open_rows`.

    Returns:
        list[dict]: A record per row, in the layout of docs/datasets.md. ``error`` says why an image could not be read.
    """
    person = vocabulary.object_names.index('person')
    records = []
    for table in open_rows(address, vocabulary):
        for row in table.to_pylist():
            boxes: dict[tuple, int] = {}
            hois = {}
            for triplet in row['triplets']:
                label = vocabulary.hoi_objects[triplet['hoi']]
                human = boxes.setdefault((person, *triplet['human_box'].values()), len(boxes))
                obj = triplet['object_box']
                target = -1 if obj is None else boxes.setdefault((label, *obj.values()), len(boxes))
                hois[human, target, triplet['hoi']] = dict(
                    subject_id=human,
                    object_id=target,
                    category_id=vocabulary.verb_ids[vocabulary.hoi_verbs[triplet['hoi']]],
                    hoi_category_id=vocabulary.hoi_ids[triplet['hoi']],
                )
            record = dict(
                file_name=row['image'].lstrip('/'),  # of an absolute path: relative to /
                annotations=[dict(bbox=box, category_id=vocabulary.object_ids[label]) for label, *box in boxes],
                hoi_annotation=list(hois.values()),
            )
            known = {key: row[key] for key in ('width', 'height', 'error') if row[key] is not None}
            records.append(record | known)
    return records
