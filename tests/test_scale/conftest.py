"""What the tests of batch jobs share: 12 images of MiniHOI, also in a tar and in Parquet files, and their rows."""

import io
import tarfile
from pathlib import Path

import pytest
import torch
from PIL import Image

from genvlkt_mmdet.assets import asset_path

MODEL = dict(device='cpu')


def read(folder) -> dict[str, dict]:
    """The rows of a result by key."""
    from pyarrow import parquet

    rows = [row for file in sorted(Path(folder).glob('*.parquet')) for row in parquet.read_table(file).to_pylist()]
    assert len({row['key'] for row in rows}) == len(rows)
    return {row['key']: row for row in rows}


@pytest.fixture(autouse=True)
def one_thread():
    """Results of one and of several threads may differ in the last digit."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope='session')
def contents() -> dict[str, bytes]:
    """Images by name: parts of the shipped example, of two sizes, and one that is damaged."""
    with Image.open(asset_path('example.jpg')) as image:
        example = image.convert('RGB')
    files = {}
    for i in range(12):
        size = (128, 128) if i % 3 else (128, 96)
        buffer = io.BytesIO()
        example.rotate(3 * i).resize(size).save(buffer, 'PNG')
        files[f'{i:02d}.png'] = buffer.getvalue()
    files['05.png'] = files['05.png'][:100]
    return files


@pytest.fixture
def photos(tmp_path, monkeypatch, contents) -> Path:
    """A folder with the images, below the current folder."""
    monkeypatch.chdir(tmp_path)
    folder = Path('photos')
    folder.mkdir()
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return folder


@pytest.fixture
def archive(photos, contents) -> Path:
    """A tar file with the images, and with files that are none, as WebDataset has them."""
    with tarfile.open('shard.tar', 'w') as tar:
        for name, content in contents.items():
            for member, data in ((name, content), (name.replace('.png', '.json'), b'{}')):
                info = tarfile.TarInfo(member)
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
    return Path('shard.tar')


@pytest.fixture
def tables(photos, contents) -> Path:
    """Parquet files of the images in row groups of five: as bytes, as Hugging Face has them, and as paths."""
    import pyarrow as pa
    from pyarrow import parquet

    folder = Path('tables')
    folder.mkdir()
    names = list(contents)
    columns = dict(
        bytes=dict(content=pa.array(contents.values(), pa.binary()), file_name=names),
        struct=dict(image=[dict(bytes=contents[name], path=name) for name in names], label=list(range(12))),
        paths=dict(path=[f'../photos/{name}' for name in names]),
    )
    for name, data in columns.items():
        parquet.write_table(pa.table(data), folder / f'{name}.parquet', row_group_size=5)
    return folder


def content_of(row: dict) -> tuple:
    """What the network has computed."""
    return row['width'], row['height'], row['triplets'], row['error'] is None
