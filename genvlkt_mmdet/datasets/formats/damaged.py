"""Turns errors from damaged files into one sentence."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def names_file(path: str | Path, advice: str = 'download or convert it again') -> Iterator[None]:
    """Turns errors from wrong content into a ValueError that names the file.

    Args:
        path (str | Path): The file.
        advice (str): What to do about it.

    Yields:
        None: Errors in the body are replaced. A ValueError that already names the file is not.

    Raises:
        ValueError: If the content is wrong.
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
