"""Writing of files in one step, for everything in this package that writes one."""

import os
import secrets
from pathlib import Path


def write_file(path: str | Path, content: bytes) -> None:
    """Writes a file that is either complete or absent, whatever happens in between.

    The content goes to a new file beside ``path``, which then takes its name. A symbolic link of that name is replaced and not
    followed, so the file that it points to stays as it is.

    Args:
        path (str | Path): The file; missing folders are made.
        content (bytes): The content.

    Raises:
        OSError: If the file cannot be written, e.g. since the disk is full; the message names the file. Nothing is left behind.
    """
    path = Path(path)
    part = path.with_name(f'{path.name[:200]}.{secrets.token_hex(4)}.part')
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # O_EXCL: neither an existing file nor a link that someone has put there is opened.
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
