"""Matplotlib figures for files, without pyplot and its global state."""

from typing import Any

# Palette of Okabe and Ito, readable with every kind of colour vision
BLUE, ORANGE, VERMILION = '#0072B2', '#E69F00', '#D55E00'


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
