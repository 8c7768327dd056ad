"""Tables for logs and terminals."""

import io
from collections.abc import Iterable, Sequence

from rich import box
from rich.console import Console
from rich.table import Table


def text_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Formats a table as plain text, as wide as its content.

    Args:
        header (Sequence[str]): Titles of the columns.
        rows (Iterable[Sequence[str]]): Cells of each row, one per column.

    Returns:
        str: The lines, without a line break at the end.

    Examples:
        >>> from genvlkt_mmdet.text_table import text_table
        >>> print(text_table(['mAP (%)', 'Full'], [['Default', '33.75']]))
        +---------+-------+
        | mAP (%) | Full  |
        +---------+-------+
        | Default | 33.75 |
        +---------+-------+
    """
    table = Table(*header, box=box.ASCII2)
    for row in rows:
        table.add_row(*row)
    # Without colours and terminal width, because the text is also written to log files. Brackets in a cell are not markup.
    console = Console(file=io.StringIO(), width=10_000, color_system=None, markup=False, emoji=False, highlight=False)
    with console.capture() as capture:
        console.print(table)
    return capture.get().rstrip('\n')
