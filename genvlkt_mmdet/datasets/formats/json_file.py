"""Reading and writing of JSON annotation files."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ...files import write_file


def load_json(path: str | Path) -> Any:
    """Parses a JSON file. Raises ValueError if it is not valid JSON, e.g. truncated, or is nested too deeply."""
    try:
        return json.loads(Path(path).read_bytes())
    except RecursionError:
        raise ValueError(f"'{path}' is nested too deeply for an annotation file.") from None
    except ValueError as error:  # not JSON, not UTF-8, or a number with thousands of digits
        raise ValueError(f"'{path}' is no valid JSON ({error}); download or convert it again.") from None


def write_annotations(records: Sequence[dict], path: str | Path) -> Path:
    """Writes records, one per image, in the documented JSON. Returns the path."""
    path = Path(path)
    write_file(path, json.dumps(records).encode())
    return path
