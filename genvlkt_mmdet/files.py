"""Atomic writing of files, and error messages for damaged ones."""

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


@contextmanager
def new_file(path: str | Path) -> Iterator[BinaryIO]:
    """Opens a file for writing atomically: afterwards it is either complete or absent.

    The content is written to a temporary file in the same folder, which is renamed if the block ends without an error. A
    symbolic link with the name of the file is replaced and not followed.

    Args:
        path (str | Path): The file. Missing folders are created.

    Yields:
        BinaryIO: The file to write to.

    Raises:
        OSError: If the file cannot be written, e.g. because the disk is full. The message names the file.
    """
    path = Path(path)
    part = path.with_name(f'{path.name[:200]}.{secrets.token_hex(4)}.part')
    try:
        if (
            path.exists() and not path.is_file() and not path.is_symlink()
        ):  # such as /dev/null, which root could replace
            raise FileExistsError(errno.EEXIST, 'it is a folder' if path.is_dir() else 'it is a device or pipe')
        path.parent.mkdir(parents=True, exist_ok=True)
        # O_EXCL: an existing file or link is never opened.
        handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, 'O_BINARY', 0), 0o666)
        try:
            with os.fdopen(handle, 'wb') as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            os.replace(part, path)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
    except OSError as error:
        if error.errno is None:  # raised by the block, not by the file system
            raise
        raise type(error)(f"'{path}' cannot be written: {error.strerror or error}.") from error


def write_file(path: str | Path, content: bytes) -> None:
    """Writes a file atomically. Path and errors: as in :func:`new_file`."""
    with new_file(path) as file:
        file.write(content)


@contextmanager
def names_file(path: str | Path, advice: str = 'download or convert it again') -> Iterator[None]:
    """Converts errors that are due to wrong content of a file to a ValueError that names the file.

    A ValueError that names the file already is not changed.

    Args:
        path (str | Path): The file that is read.
        advice (str): What to do about it, for the message.
    """
    try:
        yield
    except (
        ValueError,
        KeyError,
        TypeError,
        IndexError,
        AttributeError,
        OverflowError,
        AssertionError,
        RecursionError,
    ) as error:
        if isinstance(error, ValueError) and str(path) in str(error):
            raise
        if isinstance(error, KeyError):
            detail = f'field {error} is missing'
        elif isinstance(error, RecursionError):
            detail = 'it is nested too deeply'
        else:
            detail = (str(error).strip().splitlines() or [type(error).__name__])[0]
        detail = detail if len(detail) <= 120 else f'{detail[:117]}...'
        raise ValueError(f"'{path}' does not hold what it should ({detail}); {advice}.") from None
