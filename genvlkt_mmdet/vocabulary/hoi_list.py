"""Reads the text file with the interactions to detect."""

from pathlib import Path

from .open_vocabulary import HOIEntry


def read_hoi_list(path: str | Path) -> list[HOIEntry]:
    """Reads phrases and (verb, object) pairs, one per line.

    A line with a tab or a comma is a pair, ``ride, horse``. If nothing follows the separator, the verb has no object.
    Empty lines and lines that begin with ``#`` are ignored.

    Args:
        path (str | Path): The file, UTF-8.

    Returns:
        list[str | tuple[str, str | None]]: Entries for :func:`open_vocabulary`.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is not a text file, is empty, or has a line with more than two parts.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"The list of phrases '{path}' does not exist: check its path.")
    try:
        text = Path(path).read_text(encoding='utf-8-sig')
    except UnicodeDecodeError:
        raise ValueError(f"The list of phrases '{path}' is no text in UTF-8.") from None
    entries = parse_hoi_list(text, f" of '{path}'")
    if not entries:
        raise ValueError(f"The list of phrases '{path}' is empty: write a phrase or `verb, object` in each line.")
    return entries


def parse_hoi_list(text: str, place: str = '') -> list[HOIEntry]:
    """Parses the text of such a file. It can be empty.

    Args:
        text (str): The text.
        place (str): Where it is from, for the message about a line.

    Raises:
        ValueError: If a line has more than two parts.
    """
    entries: list[HOIEntry] = []
    for i, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith('#'):
            continue
        first, *rest = (part.strip() for part in line.split('\t' if '\t' in line else ','))
        if len(rest) > 1:
            raise ValueError(
                f'line {i}{place} has {len(rest) + 1} parts: write a phrase without commas, or `verb, object`.'
            )
        entries.append((first, rest[0] or None) if rest else first)
    return entries
