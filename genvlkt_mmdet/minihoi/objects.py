"""Shapes of the MiniHOI objects, in person heights. They stand on y = 0, are centred on x = 0 and face +x.

Silhouette and hue are the same for all objects of a class. Size, shade and details vary.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .shapes import Color, Shape, disc, extent, polygon, ring, stroke

DARK = (45, 42, 48)


@dataclass(frozen=True)
class ObjectDrawing:
    """An object before it is placed.

    Attributes:
        shapes (list[Shape]): In drawing order.
        seat (tuple[float, float]): Position of a rider's hip.
        grip (tuple[float, float] | None): Position of a hand that holds it. None: the middle of the near side.
    """

    shapes: list[Shape]
    seat: tuple[float, float]
    grip: tuple[float, float] | None = None

    @property
    def extent(self) -> np.ndarray:
        """Box around the object, (4) ``x1, y1, x2, y2``."""
        return extent(self.shapes)

    def mirrored(self) -> 'ObjectDrawing':
        """The object facing the other way."""
        seat = (-self.seat[0], self.seat[1])
        grip = None if self.grip is None else (-self.grip[0], self.grip[1])
        return ObjectDrawing([shape.moved((0, 0), flip=True) for shape in self.shapes], seat, grip)


def draw_object(name: str, rng: np.random.Generator, shade: float = 18.0) -> ObjectDrawing:
    """Draws an object.

    Args:
        name (str): Object name of the MiniHOI vocabulary, except 'person'.
        rng (np.random.Generator): Source of size, shade and details.
        shade (float): Standard deviation of the colour, 0 to 255.

    Returns:
        ObjectDrawing: The object.
    """
    drawing = _DRAWERS[name](rng, shade)
    size = rng.uniform(0.92, 1.1)
    x1, y1, x2, _ = drawing.extent
    middle = (x1 + x2) / 2

    def place(point: tuple[float, float]) -> tuple[float, float]:
        return ((point[0] - middle) * size, (point[1] - y1) * size)

    shapes = [
        Shape(s.kind, (s.points - (middle, y1)) * size, s.color, (s.size[0] * size, s.size[1] * size))
        for s in drawing.shapes
    ]
    return ObjectDrawing(shapes, place(drawing.seat), None if drawing.grip is None else place(drawing.grip))


def tint(rng: np.random.Generator, color: Color, shade: float) -> Color:
    """Varies the lightness of a colour, and a little each channel."""
    change = rng.normal(0, shade) + rng.normal(0, shade / 3, 3)
    return tuple(int(np.clip(c + d, 8, 247)) for c, d in zip(color, change, strict=True))


def _darker(color: Color, factor: float = 0.65) -> Color:
    return tuple(int(c * factor) for c in color)


def _horse(rng: np.random.Generator, shade: float) -> ObjectDrawing:
    coat = tint(rng, (139, 84, 42), shade)
    mane = _darker(coat, 0.4)
    legs = [(-0.3, 0.02), (-0.18, -0.02), (0.16, 0.02), (0.28, -0.02)]
    shapes = [stroke([(x, 0.34), (x + dx + rng.normal(0, 0.015), 0.04)], 0.08, _darker(coat, 0.85)) for x, dx in legs]
    shapes += [
        stroke([(-0.34, 0.44), (-0.44, 0.36), (-0.45, 0.2)], 0.06, mane),
        stroke([(-0.24, 0.4), (0.22, 0.4)], 0.24, coat),
        stroke([(0.24, 0.44), (0.38, 0.66)], 0.15, coat),
        stroke([(0.38, 0.66), (0.52, 0.58)], 0.11, coat),
        stroke([(0.24, 0.56), (0.33, 0.74)], 0.05, mane),
        disc((0.43, 0.67), 0.016, DARK),
    ]
    return ObjectDrawing(shapes, (-0.03, 0.5))


def _bicycle(rng: np.random.Generator, shade: float) -> ObjectDrawing:
    frame = tint(rng, (214, 40, 44), shade)
    tyre, r = (50, 50, 58), 0.205
    rear, front, crank, saddle, bar = (-0.3, 0.23), (0.3, 0.23), (-0.04, 0.2), (-0.14, 0.47), (0.2, 0.5)
    shapes = [ring(center, r, 0.055, tyre) for center in (rear, front)]
    shapes += [
        stroke([rear, crank, (0.19, 0.42), (-0.12, 0.42), rear], 0.05, frame),
        stroke([crank, saddle], 0.05, frame),
        stroke([front, bar, (0.12, 0.56)], 0.05, frame),
        stroke([(-0.22, 0.49), (-0.07, 0.49)], 0.07, DARK),
    ]
    return ObjectDrawing(shapes, (-0.13, 0.52))


def _ball(rng: np.random.Generator, shade: float) -> ObjectDrawing:
    color, r = tint(rng, (245, 140, 20), shade), 0.27
    turn = rng.uniform(0, np.pi)
    stripe = [(r * 0.82 * np.cos(turn + a), r + r * 0.82 * np.sin(turn + a)) for a in (0, np.pi)]
    cross = [(r * 0.82 * np.cos(turn + a), r + r * 0.82 * np.sin(turn + a)) for a in (np.pi / 2, -np.pi / 2)]
    shapes = [disc((0, r), r, color), stroke(stripe, 0.05, (250, 245, 235)), stroke(cross, 0.05, (250, 245, 235))]
    return ObjectDrawing(shapes, (0.0, 2 * r))


def _suitcase(rng: np.random.Generator, shade: float) -> ObjectDrawing:
    color = tint(rng, (36, 82, 200), shade)
    w, h = rng.uniform(0.29, 0.34), rng.uniform(0.42, 0.46)
    shapes = [
        stroke([(-0.1, h), (-0.1, h + 0.09), (0.1, h + 0.09), (0.1, h)], 0.05, DARK),
        polygon([(-w, 0.02), (w, 0.02), (w, h), (-w, h)], color),
        polygon([(-w * 0.62, 0.02), (-w * 0.42, 0.02), (-w * 0.42, h), (-w * 0.62, h)], (225, 205, 120)),
        polygon([(w * 0.42, 0.02), (w * 0.62, 0.02), (w * 0.62, h), (w * 0.42, h)], (225, 205, 120)),
    ]
    return ObjectDrawing(shapes, (0.0, h + 0.02))


def _chair(rng: np.random.Generator, shade: float) -> ObjectDrawing:
    color = tint(rng, (40, 150, 62), shade)
    leg = _darker(color, 0.7)
    shapes = [
        stroke([(-0.19, 0.32), (-0.23, 0.03)], 0.06, leg),
        stroke([(0.2, 0.32), (0.24, 0.03)], 0.06, leg),
        polygon([(-0.26, 0.28), (0.26, 0.28), (0.26, 0.38), (-0.26, 0.38)], color),
        polygon([(-0.27, 0.36), (-0.15, 0.36), (-0.18, 0.74), (-0.3, 0.74)], color),
    ]
    return ObjectDrawing(shapes, (0.05, 0.38))


def _dog(rng: np.random.Generator, shade: float) -> ObjectDrawing:
    coat = tint(rng, (72, 72, 84), shade * 0.7)
    ear = _darker(coat, 0.5)
    legs = [-0.25, -0.15, 0.1, 0.2]
    shapes = [stroke([(x, 0.24), (x + rng.normal(0, 0.015), 0.04)], 0.075, _darker(coat, 0.8)) for x in legs]
    shapes += [
        stroke([(-0.27, 0.32), (-0.38, 0.5)], 0.06, coat),
        stroke([(-0.2, 0.28), (0.16, 0.28)], 0.19, coat),
        disc((0.27, 0.42), 0.12, coat),
        stroke([(0.3, 0.39), (0.42, 0.37)], 0.09, _darker(coat, 1.3)),
        polygon([(0.16, 0.5), (0.26, 0.5), (0.17, 0.3)], ear),
        stroke([(0.16, 0.36), (0.22, 0.28)], 0.05, (220, 40, 60)),
        disc((0.45, 0.385), 0.025, (15, 15, 15)),
    ]
    return ObjectDrawing(shapes, (-0.06, 0.36))


def _umbrella(rng: np.random.Generator, shade: float) -> ObjectDrawing:
    color = tint(rng, (196, 40, 170), shade)
    pale = tint(rng, (248, 190, 235), shade / 2)
    angles = np.linspace(0, np.pi, 13)
    arc = [(0.37 * np.cos(a), 0.36 + 0.26 * np.sin(a)) for a in angles]
    middle = [(0.13 * np.cos(a), 0.36 + 0.26 * np.sin(a)) for a in angles]
    shapes = [
        stroke([(0, 0.62), (0, 0.06), (0.05, 0.03), (0.09, 0.07)], 0.045, (70, 50, 40)),
        polygon(arc, color),
        polygon(middle, pale),
    ]
    return ObjectDrawing(shapes, (0.0, 0.62), grip=(0.0, 0.14))


def _sheep(rng: np.random.Generator, shade: float) -> ObjectDrawing:
    wool = tint(rng, (238, 234, 222), shade * 0.4)
    face = (58, 50, 50)
    shapes = [stroke([(x, 0.2), (x, 0.04)], 0.065, face) for x in (-0.2, -0.1, 0.1, 0.2)]
    for angle in np.linspace(0, 2 * np.pi, 10, endpoint=False):
        shapes.append(disc((0.21 * np.cos(angle), 0.31 + 0.11 * np.sin(angle)), rng.uniform(0.095, 0.115), wool))
    shapes += [
        disc((0, 0.31), (0.22, 0.13), wool),
        disc((0.33, 0.38), (0.085, 0.105), face),
        disc((0.29, 0.47), (0.07, 0.05), wool),
    ]
    return ObjectDrawing(shapes, (-0.03, 0.44))


def _car(rng: np.random.Generator, shade: float) -> ObjectDrawing:
    color = tint(rng, (246, 206, 30), shade)
    glass = (150, 205, 225)
    shapes = [
        polygon([(-0.27, 0.26), (-0.2, 0.47), (0.14, 0.47), (0.26, 0.26)], color),
        polygon([(-0.46, 0.1), (0.48, 0.1), (0.48, 0.24), (0.42, 0.3), (-0.46, 0.3)], color),
        polygon([(-0.18, 0.29), (-0.14, 0.42), (-0.02, 0.42), (-0.02, 0.29)], glass),
        polygon([(0.03, 0.29), (0.03, 0.42), (0.11, 0.42), (0.19, 0.29)], glass),
    ]
    for x in (-0.26, 0.27):
        shapes += [disc((x, 0.1), 0.1, (40, 40, 46)), disc((x, 0.1), 0.045, (190, 190, 195))]
    return ObjectDrawing(shapes, (-0.04, 0.47))


_DRAWERS: dict[str, Callable[[np.random.Generator, float], ObjectDrawing]] = {
    'horse': _horse,
    'bicycle': _bicycle,
    'ball': _ball,
    'suitcase': _suitcase,
    'chair': _chair,
    'dog': _dog,
    'umbrella': _umbrella,
    'sheep': _sheep,
    'car': _car,
}
