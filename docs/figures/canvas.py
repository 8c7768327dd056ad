"""What the figures share: boxes with names of files, arrows, colours, and the way they are saved."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib

matplotlib.use('Agg')

import matplotlib.pyplot as plt
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch, Rectangle
from places import PLACES

#: Fill and edge by room.
COLORS = {
    'data': ('#e3eefb', '#3b76b8'),
    'model': ('#e4f3e6', '#3d8b4d'),
    'training': ('#fdecdc', '#c4702a'),
    'use': ('#efe6f7', '#7a4fa3'),
    'clip': ('#fff6d6', '#b08a14'),
    'plain': ('#f3f4f6', '#6b7280'),
}
TEXT = '#1f2937'
MUTED = '#4b5563'


class Canvas:
    """A figure in inches, drawn from boxes and arrows.

    Args:
        width (float): Width in inches.
        height (float): Height in inches.
    """

    def __init__(self, width: float, height: float) -> None:
        self.figure = plt.figure(figsize=(width, height))
        self.axes = self.figure.add_axes((0, 0, 1, 1), xlim=(0, width), ylim=(0, height))
        self.axes.axis('off')

    def box(
        self, x: float, y: float, width: float, height: float, title: str, *lines: str, color: str, dashed: bool = False
    ) -> tuple[float, float, float, float]:
        """Draws a box with a title and lines below it; a line that is a key of ``PLACES`` shows that file and name."""
        fill, edge = COLORS[color]
        patch = FancyBboxPatch(
            (x, y), width, height, boxstyle='round,pad=0,rounding_size=0.07', facecolor=fill, edgecolor=edge, lw=1.1
        )
        patch.set_linestyle('--' if dashed else '-')
        self.axes.add_patch(patch)
        rows = [(title, dict(fontsize=9.4, fontweight='bold', color=TEXT))]
        for line in lines:
            if line in PLACES:
                file, name = PLACES[line]
                rows += [(name, dict(fontsize=8, family='monospace', color=TEXT))]
                rows += [
                    (part, dict(fontsize=7.1, family='monospace', color=MUTED)) for part in self._fitted(file, width)
                ]
            else:
                rows += [(line, dict(fontsize=7.8, color=MUTED))]
        heights = [row[1]['fontsize'] / 72 * 1.28 + 0.012 for row in rows]
        top = y + height / 2 + sum(heights) / 2
        for (text, style), row in zip(rows, heights):
            self.axes.text(x + width / 2, top - row / 2, text, ha='center', va='center', linespacing=1.15, **style)
            top -= row
        return x, y, width, height

    @staticmethod
    def _fitted(file: str, width: float) -> list[str]:
        """The path in one line, or with its folder in a line of its own where it is too long for the box."""
        if len(file) * 7.1 / 72 * 0.602 <= width - 0.12:
            return [file]
        folder, _, name = file.rpartition('/')
        return [f'{folder}/', name]

    def arrow(self, *points: tuple[float, float], dashed: bool = False, color: str = '#374151') -> None:
        """Draws a line through points with an arrowhead at the last one."""
        xs, ys = zip(*points)
        style = '--' if dashed else '-'
        if len(points) > 2:
            self.axes.plot(xs[:-1], ys[:-1], color=color, lw=1.1, linestyle=style, solid_capstyle='round')
        self.axes.add_patch(
            FancyArrowPatch(
                points[-2], points[-1], arrowstyle='-|>', mutation_scale=9, color=color, lw=1.1, linestyle=style,
                shrinkA=0, shrinkB=0,
            )
        )  # fmt: skip

    def label(self, x: float, y: float, text: str, **style) -> None:
        """Writes a few words beside an arrow."""
        style = dict(dict(fontsize=7.8, color=MUTED, ha='center', va='center', linespacing=1.2), **style)
        self.axes.text(x, y, text, **style)

    def band(self, y: float, height: float, width: float, title: str, color: str) -> None:
        """Draws a tinted band behind a row of boxes, with its title on top."""
        fill, edge = COLORS[color]
        self.axes.add_patch(
            Rectangle((0.05, y), width - 0.1, height, facecolor=fill, edgecolor='none', alpha=0.35, zorder=0)
        )
        self.axes.text(
            width / 2, y + height - 0.16, title, fontsize=9.4, fontweight='bold', color=edge, ha='center', va='center'
        )

    def region(self, x: float, y: float, width: float, height: float, key: str) -> None:
        """Draws a tinted area around the boxes that one function or class holds, with its name and file on top."""
        file, name = PLACES[key]
        self.axes.add_patch(
            FancyBboxPatch(
                (x, y), width, height, boxstyle='round,pad=0,rounding_size=0.1', facecolor='#f8fafc', edgecolor='#cbd5e1',
                lw=0.9, zorder=0,
            )
        )  # fmt: skip
        self.axes.text(
            x + width / 2,
            y + height - 0.15,
            name,
            fontsize=8.6,
            family='monospace',
            color=TEXT,
            ha='center',
            va='center',
        )
        size = min(7.1, (width - 0.25) * 72 / 0.602 / len(file))
        self.axes.text(
            x + width / 2,
            y + height - 0.31,
            file,
            fontsize=size,
            family='monospace',
            color=MUTED,
            ha='center',
            va='center',
        )

    def row(
        self, xs: Sequence[float], y: float, width: float, height: float, boxes: Sequence[tuple[str, ...]], color: str,
        arrows: bool = True,
    ) -> None:  # fmt: skip
        """Draws boxes side by side, each with an arrow to the next one."""
        for i, (x, box) in enumerate(zip(xs, boxes)):
            self.box(x, y, width, height, *box, color=color)
            if i and arrows:
                self.arrow((xs[i - 1] + width, y + height / 2), (x, y + height / 2))

    def turn(self, xs: Sequence[float], y_from: float, y_to: float, width: float, at: float | None = None) -> None:
        """Draws the arrow from below the last box of a row to above the first box of the next one, crossing at a height."""
        middle = (y_from + y_to) / 2 if at is None else at
        end, start = xs[-1] + width / 2, xs[0] + width / 2
        self.arrow((end, y_from), (end, middle), (start, middle), (start, y_to))

    @property
    def description(self) -> str:
        """All that is written in the figure, as its file holds it."""
        texts = [text.get_text() for axes in self.figure.axes for text in axes.texts]
        return ' | '.join(' '.join(text.split()) for text in texts)

    def save(self, path: Path) -> None:
        """Writes an SVG that looks the same everywhere; its description holds the texts."""
        with matplotlib.rc_context({'svg.fonttype': 'path', 'svg.hashsalt': 'genvlkt'}):
            self.figure.savefig(
                path, facecolor='white', metadata=dict(Date=None, Creator=None, Description=self.description)
            )
        plt.close(self.figure)


def curves(steps: Sequence[int], values: Mapping[str, Sequence[float]]) -> Canvas:
    """A figure of curves over training steps, with their names in a legend.

    Args:
        steps (Sequence[int]): n steps.
        values (Mapping[str, Sequence[float]]): n values of each curve, by name.

    Returns:
        Canvas: The figure.
    """
    canvas = Canvas(8, 3.6)
    axes = canvas.figure.add_axes((0.07, 0.14, 0.91, 0.83))
    for (name, curve), color in zip(values.items(), plt.cm.tab10.colors):
        axes.plot(steps, curve, label=name, color=color, lw=1.4)
    axes.set(xlim=(0, max(steps)), ylim=(0, None), xlabel='step (16 images each)', ylabel='weighted loss')
    axes.grid(color='#e5e7eb', lw=0.8)
    axes.spines[['top', 'right']].set_visible(False)
    axes.legend(frameon=False, ncols=2)
    return canvas
