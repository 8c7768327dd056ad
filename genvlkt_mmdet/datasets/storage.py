"""Files in folders and object stores, by their address, through pyarrow (the extra ``scale``)."""

import os.path as osp
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from ..files import write_file

if TYPE_CHECKING:
    from pyarrow import NativeFile
    from pyarrow.fs import FileInfo, FileSystem


def need_pyarrow() -> Any:
    """Imports pyarrow with its Parquet and file system parts. An ImportError with one sentence if it is not installed."""
    try:
        import pyarrow.fs
        import pyarrow.parquet
    except ImportError as error:
        raise ImportError(
            "This needs pyarrow, which is not installed: run `pip install 'genvlkt[scale]'`, or `pip install pyarrow` if you do "
            'not want Ray.'
        ) from error
    return pyarrow


@dataclass(frozen=True)
class Storage:
    """A file or folder of a disk or an object store.

    Attributes:
        address (str): As the user gave it: a path, or an address such as ``s3://bucket/folder``.
        system (FileSystem): The file system of pyarrow.
        path (str): The path in it.
    """

    address: str
    system: 'FileSystem'
    path: str

    @property
    def is_local(self) -> bool:
        """Whether it is on a disk of this machine, or a mounted one."""
        return self.system.type_name == 'local'

    def info(self, name: str = '') -> 'FileInfo':
        """What is at this place, or at ``name`` in this folder."""
        return self.system.get_file_info(osp.join(self.path, name) if name else self.path)

    def exists(self, name: str) -> bool:
        """Whether this folder has a file of this name."""
        return bool(self.info(name).is_file)

    def names(self, recursive: bool = False) -> list[str]:
        """Names of the files in this folder, sorted. With ``recursive``, also of those in its subfolders, with their path."""
        from pyarrow.fs import FileSelector, FileType

        selector = FileSelector(self.path, allow_not_found=True, recursive=recursive)
        found = [info for info in self.system.get_file_info(selector) if info.type != FileType.Directory]
        return sorted(info.path[len(self.path.rstrip('/')) + 1 :] for info in found)

    def open(self, name: str) -> 'NativeFile':
        """Opens a file in this folder for reading at any position."""
        return self.system.open_input_file(osp.join(self.path, name))

    def read(self, name: str = '') -> bytes:
        """The content of this file, or of a file in this folder."""
        with self.system.open_input_stream(osp.join(self.path, name) if name else self.path) as file:
            return file.read()

    def write(self, name: str, content: bytes) -> None:
        """Writes a file into this folder: afterwards it is either complete or absent.

        Object stores show an object when all of it has arrived. On a disk, a temporary file is renamed.
        """
        path = osp.join(self.path, name)
        if self.is_local:
            write_file(path, content)
            return
        with self.system.open_output_stream(path) as file:
            file.write(content)


def open_storage(address: str) -> Storage:
    """Finds the file system of an address. Nothing is read.

    Args:
        address (str): A path, ``file://...``, or an address that pyarrow (``s3://``, ``gs://``, ``hdfs://``, ``abfss://``) or an
            installed package of fsspec understands.

    Raises:
        ImportError: If pyarrow is not installed.
        ValueError: If the address is of an unknown kind.
    """
    fs = need_pyarrow().fs
    address = str(address)
    if '://' not in address:
        return Storage(address, fs.LocalFileSystem(), address)
    if address.startswith('file://'):
        return Storage(address, fs.LocalFileSystem(), unquote(address.removeprefix('file://')))
    try:
        return Storage(address, *fs.FileSystem.from_uri(address))
    except Exception as error:  # unknown to this build of pyarrow
        try:
            import fsspec

            system, path = fsspec.core.url_to_fs(address)
        except (ImportError, ValueError):
            raise ValueError(
                f"The address '{address}' cannot be opened ({error}): give a folder, or an address such as s3://bucket/folder."
            ) from error
        return Storage(address, fs.PyFileSystem(fs.FSSpecHandler(system)), path)
