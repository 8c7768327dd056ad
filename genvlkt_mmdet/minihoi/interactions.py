"""Poses of the person and positions of the object for each verb. They are the same for all objects.

Lengths are in person heights. The person stands on y = 0 near x = 0 and faces +x.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from .objects import ObjectDrawing, draw_object
from .persons import Pose, draw_person
from .shapes import Shape, disc, extent, stroke

_ROPE = (92, 60, 30)
_NOZZLE = (25, 70, 80)
_WATER = ((30, 140, 240), (110, 200, 255))


@dataclass
class Group:
    """A person with the objects of its pairs, or one idle thing.

    Attributes:
        labels (list[int]): Object class of each member. The person is member 0.
        members (list[list[Shape]]): Shapes of each member.
        order (list[int]): Members in drawing order.
        pairs (list[tuple[int, tuple[int, ...]]]): Object member and HOI classes of each pair.
        props (list[Shape]): Rope and water, which are drawn last and belong to no box.
    """

    labels: list[int]
    members: list[list[Shape]]
    order: list[int]
    pairs: list[tuple[int, tuple[int, ...]]] = field(default_factory=list)
    props: list[Shape] = field(default_factory=list)

    @property
    def extent(self) -> np.ndarray:
        """Box around all members, (4)."""
        return extent([shape for member in self.members for shape in member])

    def person_alone(self) -> 'Group':
        """The person in its pose, without the objects and what is between them."""
        return Group([0], self.members[:1], [0])

    def transformed(self, scale: float, flip: bool, shift: Sequence[float]) -> 'Group':
        """Converts person heights to pixels, see :meth:`Shape.transformed`."""
        return Group(
            self.labels,
            [[shape.transformed(scale, flip, shift) for shape in member] for member in self.members],
            self.order,
            self.pairs,
            [shape.transformed(scale, flip, shift) for shape in self.props],
        )


def idle_person(rng: np.random.Generator, shade: float) -> Group:
    """A person without a pair, with the arms down or akimbo."""
    pose = Pose()
    if rng.random() < 0.5:
        pose.hands = [(0.1, 0.5), (-0.1, 0.5)]
    else:
        pose.hands = [(0.15 + rng.normal(0, 0.02), 0.45), (-0.13 + rng.normal(0, 0.02), 0.45)]
    return Group([0], [draw_person(pose, rng, shade)], [0])


def idle_object(label: int, name: str, rng: np.random.Generator, shade: float) -> Group:
    """An object without a pair."""
    return Group([label], [draw_object(name, rng, shade).shapes], [0])


def interacting_person(
    tasks: Sequence[tuple[int, str, tuple[int, ...], tuple[str, ...]]], rng: np.random.Generator, shade: float
) -> Group:
    """A person that interacts with one or two objects.

    Args:
        tasks (Sequence[tuple]): One or two tuples of object class, object name, HOI classes and verbs. The second is
            *hold*, or *lift* if the first is *kick*.
        rng (np.random.Generator): Source of the variation.
        shade (float): Standard deviation of colours, 0 to 255.

    Returns:
        Group: The person and the objects in the order of the tasks.
    """
    drawings = []
    for _, name, _, verbs in tasks:
        drawing = draw_object(name, rng, shade)
        drawings.append(drawing.mirrored() if rng.random() < 0.4 and 'ride' not in verbs else drawing)
    pose, places, props = arrange(drawings, [task[3] for task in tasks], rng)
    objects = [
        [shape.moved(place) for shape in drawing.shapes] for drawing, place in zip(drawings, places, strict=True)
    ]
    return Group(
        labels=[0, *(task[0] for task in tasks)],
        members=[draw_person(pose, rng, shade), *objects],
        order=[*range(1, len(tasks) + 1), 0],
        pairs=[(i + 1, task[2]) for i, task in enumerate(tasks)],
        props=props,
    )


def arrange(
    drawings: Sequence[ObjectDrawing], verbs: Sequence[tuple[str, ...]], rng: np.random.Generator
) -> tuple[Pose, list[tuple[float, float]], list[Shape]]:
    """The pose of a person that interacts with one or two objects, and where the objects are.

    Args:
        drawings (Sequence[ObjectDrawing]): The objects.
        verbs (Sequence[tuple[str]]): The verbs with each object, see :func:`interacting_person`.
        rng (np.random.Generator): Source of the variation.

    Returns:
        tuple: The pose, the place of each object, and rope and water.
    """
    pose, props = Pose(), []
    main = verbs[0]
    if 'ride' in main:
        place = _ride(pose, drawings[0], rng)
    elif 'jump_over' in main:
        place = _jump_over(pose, drawings[0], rng)
    elif 'lift' in main:
        place = _lift(pose, drawings[0], rng)
    elif 'pull' in main:
        place = _pull(pose, drawings[0], rng, props)
    elif 'hold' in main:
        place = _hold(pose, drawings[0], rng, hand=0)
        if 'wash' in main:
            # The other hand sprays from above.
            pose.reach(1, (0.2, 0.3))
            _spray(pose.hands[1], drawings[0], place, rng, props)
    else:
        place = _on_the_ground(pose, drawings[0], main, rng, props)
    places = [place]
    if len(verbs) == 2:
        if 'lift' in verbs[1]:
            places.append(_lift(pose, drawings[1], rng))
        else:
            # The free hand holds: the front one if the person pulls, otherwise the rear one.
            places.append(_hold(pose, drawings[1], rng, hand=0 if 'pull' in main else 1))
    return pose, places, props


def _near(rng: np.random.Generator, x: float, y: float, spread: float = 0.02) -> tuple[float, float]:
    return (x + float(rng.normal(0, spread)), y + float(rng.normal(0, spread)))


def _ride(pose: Pose, drawing: ObjectDrawing, rng: np.random.Generator) -> tuple[float, float]:
    """The person sits on the object with the arms forward. Only the near leg is visible."""
    x, y = drawing.seat
    pose.hip = (x, y + 0.05)
    pose.neck = _near(rng, x + 0.09, y + 0.38, 0.015)
    for hand in (0, 1):
        pose.reach(hand, _near(rng, 0.3, -0.12 + 0.04 * hand))
    pose.feet[0] = _near(rng, x + 0.1, max(0.05, y - 0.33))
    pose.legs = (0,)
    return (0.0, 0.0)


def _jump_over(pose: Pose, drawing: ObjectDrawing, rng: np.random.Generator) -> tuple[float, float]:
    """The person is in the air above the object, with arms and legs spread."""
    height = drawing.extent[3]
    pose.hip = (0.0, height + 0.34)
    pose.neck = _near(rng, 0.08, height + 0.66, 0.015)
    pose.feet = [_near(rng, 0.42, height + 0.27), _near(rng, -0.4, height + 0.19)]
    pose.knee_bends = [1.0, 1.0]
    pose.reach(0, _near(rng, 0.34, 0.14))
    pose.reach(1, _near(rng, -0.34, 0.14))
    return (float(rng.normal(0, 0.04)), 0.0)


def _lift(pose: Pose, drawing: ObjectDrawing, rng: np.random.Generator) -> tuple[float, float]:
    """Both hands hold the object over the head."""
    head_top = pose.neck[1] + 0.25
    pose.reach(0, _near(rng, 0.21, 0.32, 0.01))
    pose.reach(1, _near(rng, -0.21, 0.32, 0.01))
    return ((pose.hands[0][0] + pose.hands[1][0]) / 2, max(pose.hands[0][1], head_top))


def _hold(pose: Pose, drawing: ObjectDrawing, rng: np.random.Generator, hand: int) -> tuple[float, float]:
    """A stretched arm holds the object in the air."""
    x, y = pose.reach(hand, _near(rng, 0.36 if hand == 0 else -0.36, -0.06))
    if drawing.grip is not None:
        return (x - drawing.grip[0], y - drawing.grip[1])
    x1, y1, x2, y2 = drawing.extent
    return (x - x1 - 0.02 if hand == 0 else x - x2 + 0.02, y - (y1 + y2) / 2)


def _pull(pose: Pose, drawing: ObjectDrawing, rng: np.random.Generator, props: list[Shape]) -> tuple[float, float]:
    """The object is on a rope behind the person, who leans forward."""
    pose.hip, pose.neck = (0.0, 0.45), _near(rng, 0.15, 0.76, 0.015)
    pose.feet = [_near(rng, 0.24, 0.04, 0.01), _near(rng, -0.24, 0.04, 0.01)]
    pose.reach(1, _near(rng, -0.34, -0.14))
    pose.reach(0, _near(rng, 0.16, -0.28))
    x1, _, x2, y2 = drawing.extent
    x, y = pose.hands[1]
    place = (x - float(rng.uniform(0.24, 0.32)) - x2, 0.0)
    props.append(stroke([(x, y), (place[0] + x2 - 0.06, min(0.62 * y2, y))], 0.045, _ROPE))
    return place


def _on_the_ground(
    pose: Pose, drawing: ObjectDrawing, verbs: Sequence[str], rng: np.random.Generator, props: list[Shape]
) -> tuple[float, float]:
    """Push, kick, wash and combinations of them. The object stands on the ground in front."""
    x1, _, _, height = drawing.extent
    if 'push' in verbs:
        pose.neck = _near(rng, 0.2, 0.74, 0.015)
        pose.hip = (0.0, 0.44)
        pose.feet = [_near(rng, 0.02, 0.04, 0.01), _near(rng, -0.3, 0.04, 0.01)]
        y = min(pose.neck[1] - 0.05, 0.85 * height)
        for hand in (0, 1):
            pose.reach(hand, (0.34, y + 0.02 - pose.neck[1] + 0.06 * hand))
        side = pose.hands[0][0] + 0.02
        if 'kick' in verbs:
            # Upright, and one stretched leg away from the object.
            pose.hip, pose.neck, side = (-0.03, 0.45), _near(rng, 0.14, 0.77, 0.015), 0.5
            for hand in (0, 1):
                pose.reach(hand, (side - 0.03 - pose.neck[0], y - pose.neck[1] + 0.03 + 0.06 * hand))
    elif 'kick' in verbs:
        pose.neck = _near(rng, -0.1, 0.79, 0.015)
        pose.reach(0, _near(rng, 0.12, -0.32))
        pose.reach(1, _near(rng, -0.32, -0.1))
        side = 0.47
    else:
        pose.reach(1, _near(rng, -0.1, -0.3))
        side = 0.36 + float(rng.uniform(0.24, 0.34))
    if 'kick' in verbs:
        pose.feet = [(side - 0.1, float(rng.uniform(0.17, 0.24))), _near(rng, -0.06, 0.04, 0.01)]
    place = (side - x1, 0.0)
    if 'wash' in verbs:
        pose.reach(0, _near(rng, 0.35, -0.02 if 'kick' in verbs else -0.06))
        _spray(pose.hands[0], drawing, place, rng, props)
    return place


def _spray(
    hand: tuple[float, float],
    drawing: ObjectDrawing,
    place: tuple[float, float],
    rng: np.random.Generator,
    props: list[Shape],
) -> None:
    """Adds a nozzle in the hand, and a cone of water between it and the object."""
    x1, y1, x2, y2 = drawing.extent
    start = np.array(hand)
    target = np.array([place[0] + x1 + 0.38 * (x2 - x1), place[1] + y1 + 0.72 * (y2 - y1)])
    along = target - start
    across = np.array([-along[1], along[0]])
    across /= max(np.hypot(*across), 1e-6)
    unit = along / max(np.hypot(*along), 1e-6)
    for _ in range(16):
        t = float(rng.uniform(0.25, 1.0))
        point = start + along * t + across * rng.uniform(-0.17, 0.17) * t
        props.append(disc(point, 0.026, _WATER[int(rng.integers(2))]))
    props.append(stroke([start - unit * 0.04, start + unit * 0.09], 0.06, _NOZZLE))
