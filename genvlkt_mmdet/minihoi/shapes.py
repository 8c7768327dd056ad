"""Coloured shapes."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

Color = tuple[int, int, int]

SUPERSAMPLE = 2
"""Scale of the canvas on which shapes are drawn. It is averaged to the size of the image."""

OUTLINE = 0.6
"""Width of the dark outline of a shape in pixels of the image. It is inside the box."""

_SHIFT = 4  # fractional bits of OpenCV's integer coordinates


@dataclass(frozen=True)
class Shape:
    """A shape of one colour.

    Attributes:
        kind (str): ``'stroke'`` (polyline with round ends), ``'disc'`` (ellipse), ``'ring'`` (circle line) or ``'polygon'``.
        points (np.ndarray): (n, 2) points of a polyline or polygon, or (1, 2) centre of a disc or ring.
        color (tuple[int]): RGB, 0 to 255.
        size (tuple[float, float]): Width and 0 (stroke), both radii (disc), or radius and width (ring).
    """

    kind: str
    points: np.ndarray
    color: Color
    size: tuple[float, float] = (0.0, 0.0)

    def extent(self, margin: float = 0.0) -> np.ndarray:
        """Box around the shape, (4) ``x1, y1, x2, y2`` in the unit of the shape."""
        reach = np.array(_reach(self)) + margin
        return np.concatenate([self.points.min(0) - reach, self.points.max(0) + reach])

    def transformed(self, scale: float, flip: bool, shift: Sequence[float]) -> 'Shape':
        """Converts person heights (y up) to pixels (y down). The shape is mirrored if ``flip``, scaled and moved."""
        factor = np.array([-scale if flip else scale, -scale])
        return replace(
            self,
            points=self.points * factor + np.asarray(shift),
            size=(self.size[0] * scale, self.size[1] * scale),
        )

    def moved(self, shift: Sequence[float], flip: bool = False) -> 'Shape':
        """The shape, mirrored at x = 0 if ``flip``, and moved."""
        factor = np.array([-1.0 if flip else 1.0, 1.0])
        return replace(self, points=self.points * factor + np.asarray(shift))


def stroke(points: Iterable[Sequence[float]], width: float, color: Color) -> Shape:
    """Polyline with round ends."""
    return Shape('stroke', np.array(list(points), dtype=float), color, (width, 0.0))


def disc(center: Sequence[float], radii: float | tuple[float, float], color: Color) -> Shape:
    """Filled circle or axis-aligned ellipse."""
    rx, ry = (radii, radii) if isinstance(radii, (int, float)) else radii
    return Shape('disc', np.array([center], dtype=float), color, (float(rx), float(ry)))


def ring(center: Sequence[float], radius: float, width: float, color: Color) -> Shape:
    """Circle line."""
    return Shape('ring', np.array([center], dtype=float), color, (radius, width))


def polygon(points: Iterable[Sequence[float]], color: Color) -> Shape:
    """Filled polygon."""
    return Shape('polygon', np.array(list(points), dtype=float), color)


def extent(shapes: Iterable[Shape], margin: float = 0.0) -> np.ndarray:
    """Box around several shapes, (4) ``x1, y1, x2, y2``."""
    boxes = np.stack([shape.extent(margin) for shape in shapes])
    return np.concatenate([boxes[:, :2].min(0), boxes[:, 2:].max(0)])


def draw(canvas: np.ndarray, shapes: Sequence[Shape], outline: bool = True) -> None:
    """Draws shapes on a canvas. All outlines are drawn first, so that they do not cover other shapes.

    Args:
        canvas (np.ndarray): (H * SUPERSAMPLE, W * SUPERSAMPLE, 3) or one channel, uint8. Changed in place.
        shapes (Sequence[Shape]): Shapes in pixels of the image, in drawing order.
        outline (bool): Whether to draw outlines.
    """
    if outline:
        for shape in shapes:
            _draw_one(canvas, shape, OUTLINE, tuple(int(c * 0.45) for c in shape.color))
    for shape in shapes:
        _draw_one(canvas, shape, 0.0, shape.color)


def _reach(shape: Shape) -> tuple[float, float]:
    """Extent of a shape beyond its points, horizontally and vertically."""
    a, b = shape.size
    return {'stroke': (a / 2, a / 2), 'disc': (a, b), 'ring': (a + b / 2, a + b / 2), 'polygon': (0.0, 0.0)}[shape.kind]


def _draw_one(canvas: np.ndarray, shape: Shape, grow: float, color: Color) -> None:
    # OpenCV has whole numbers at the centres of pixels, so the edge of the image is at -0.5.
    points = np.rint((shape.points * SUPERSAMPLE - 0.5) * (1 << _SHIFT)).astype(np.int32)
    a, b = (value * SUPERSAMPLE for value in shape.size)
    grow *= SUPERSAMPLE
    if shape.kind == 'stroke':
        width = max(1, round(a + 2 * grow))
        cv2.polylines(canvas, [points], False, color, width, cv2.LINE_AA, _SHIFT)
    elif shape.kind == 'disc':
        axes = tuple(int(round((r + grow) * (1 << _SHIFT))) for r in (a, b))
        cv2.ellipse(canvas, points[0].tolist(), axes, 0, 0, 360, color, -1, cv2.LINE_AA, _SHIFT)
    elif shape.kind == 'ring':
        radius = int(round(a * (1 << _SHIFT)))
        cv2.circle(canvas, points[0].tolist(), radius, color, max(1, round(b + 2 * grow)), cv2.LINE_AA, _SHIFT)
    else:
        cv2.fillPoly(canvas, [points], color, cv2.LINE_AA, _SHIFT)
        if grow:
            cv2.polylines(canvas, [points], True, color, max(1, round(2 * grow)), cv2.LINE_AA, _SHIFT)
