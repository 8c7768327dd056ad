"""Writes files atomically."""

import os
import secrets
from pathlib import Path


def write_file(path: str | Path, content: bytes) -> None:
    """Writes a file atomically: it is either complete or absent.

    The content is written to a temporary file in the same folder, which is then renamed. If ``path`` is a symbolic link, the
    link is replaced and not followed, so its target does not change.

    Args:
        path (str | Path): The file. Missing folders are created.
        content (bytes): The content.

    Raises:
        OSError: If the file cannot be written, e.g. because the disk is full. The message names the file.
            No partial file remains.
    """
    path = Path(path)
    part = path.with_name(f'{path.name[:200]}.{secrets.token_hex(4)}.part')
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # O_EXCL: an existing file or link is never opened.
        handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, 'O_BINARY', 0), 0o666)
        try:
            with os.fdopen(handle, 'wb') as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(part, path)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise type(error)(f"'{path}' cannot be written: {error.strerror or error}.") from error
