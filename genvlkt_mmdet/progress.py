"""Progress bars in the terminal."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import Progress


@contextmanager
def progress_bar(title: str, total: int | None, visible: bool = True) -> Iterator[Callable[[int], None]]:
    """Shows a progress bar on the standard error stream while the block runs.

    Args:
        title (str): Text before the bar.
        total (int, optional): Number of steps. None: unknown.
        visible (bool): Whether to show the bar. Default: True.

    Yields:
        Callable: Function that advances the bar by a number of steps.
    """
    if not visible:  # rich 13 ends even a disabled bar with an empty line
        yield lambda steps: None
        return
    shown = 0.0

    def advance(steps: int) -> None:
        nonlocal shown
        due = time.monotonic() - shown > 0.1
        bar.update(task, advance=steps, refresh=due)
        if due:
            shown = time.monotonic()

    # No thread for refreshing: the block may fork worker processes.
    with Progress(console=Console(stderr=True), auto_refresh=False) as bar:
        task = bar.add_task(title, total=total)
        yield advance
