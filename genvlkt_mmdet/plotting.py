"""Matplotlib figures for files, without pyplot and its global state."""

from pathlib import Path
from typing import Any

from .files import new_file

# Colours of Okabe and Ito (https://jfly.uni-koeln.de/color), which people with colour blindness can tell apart.
BLUE, ORANGE, VERMILION, YELLOW = '#0072B2', '#E69F00', '#D55E00', '#F0E442'
GREEN, PURPLE, SKY_BLUE = '#009E73', '#CC79A7', '#56B4E9'
PALETTE = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY_BLUE, '#000000')


def new_figure(width: float, height: float) -> Any:
    """Makes an empty figure that can be saved to a file.

    Args:
        width (float): Width in inches.
        height (float): Height in inches.

    Returns:
        matplotlib.figure.Figure: The figure, with constrained layout.
    """
    # Not at the top: most programs that import this package draw no figure.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout='constrained')
    FigureCanvasAgg(figure)
    return figure


def save_figure(figure: Any, path: str | Path, dpi: int = 120) -> None:
    """Writes a figure to an image file in one step, see :func:`~genvlkt_mmdet.files.new_file`.

    Args:
        figure (matplotlib.figure.Figure): The figure.
        path (str | Path): The file. Its suffix determines the format. PNG without suffix.
        dpi (int): Pixels per inch. Default: 120.

    Raises:
        ValueError: If matplotlib does not write this format.
        OSError: If the file cannot be written.
    """
    kind, known = Path(path).suffix[1:].lower() or 'png', figure.canvas.get_supported_filetypes()
    if kind not in known:
        raise ValueError(f"'{path}' has the ending of no image format: choose from {', '.join(sorted(known))}.")
    with new_file(path) as file:
        figure.savefig(file, format=kind, dpi=dpi)
