"""Shapes of persons. Lengths are in person heights, with x forward, y up and the ground at 0."""

from dataclasses import dataclass, field

import numpy as np

from .objects import tint
from .shapes import Color, Shape, disc, stroke

ARM = 0.38
LEG = 0.47

_SKINS: tuple[Color, ...] = ((246, 208, 176), (224, 172, 128), (178, 120, 78), (120, 76, 48))
_HAIR: tuple[Color, ...] = ((40, 30, 26), (90, 56, 30), (30, 30, 36), (150, 110, 60))
_SHIRTS: tuple[Color, ...] = (
    (200, 60, 60), (60, 110, 200), (70, 160, 90), (150, 90, 180), (225, 225, 228), (30, 140, 150), (230, 170, 60), (70, 70, 78),
)  # fmt: skip
_TROUSERS: tuple[Color, ...] = ((40, 52, 92), (60, 60, 66), (110, 84, 60), (52, 86, 70), (128, 128, 136), (92, 40, 52))


@dataclass
class Pose:
    """Positions of the ends of the limbs. The length of the limbs determines elbows and knees.

    Attributes:
        hip, neck (tuple[float, float]): Ends of the torso.
        hands, feet (list[tuple[float, float]]): The front one and the rear one.
        knee_bends (list[float]): 1 bends the knee forward, -1 backward.
        legs (tuple[int]): Visible legs. The far leg of a rider is hidden.
    """

    hip: tuple[float, float] = (0.0, 0.46)
    neck: tuple[float, float] = (0.0, 0.8)
    hands: list[tuple[float, float]] = field(default_factory=lambda: [(0.15, 0.45), (-0.15, 0.45)])
    feet: list[tuple[float, float]] = field(default_factory=lambda: [(0.13, 0.04), (-0.15, 0.04)])
    knee_bends: list[float] = field(default_factory=lambda: [1.0, 1.0])
    legs: tuple[int, ...] = (1, 0)

    def reach(self, hand: int, offset: tuple[float, float]) -> tuple[float, float]:
        """Moves a hand to an offset from the neck, or as near as the arm allows. Returns its position."""
        distance = float(np.hypot(*offset))
        factor = min(1.0, ARM / distance)
        self.hands[hand] = (self.neck[0] + offset[0] * factor, self.neck[1] - 0.03 + offset[1] * factor)
        return self.hands[hand]


def draw_person(pose: Pose, rng: np.random.Generator, shade: float = 18.0) -> list[Shape]:
    """Draws a person.

    Args:
        pose (Pose): The pose.
        rng (np.random.Generator): Source of the colours.
        shade (float): Standard deviation of the colours, 0 to 255.

    Returns:
        list[Shape]: The shapes in drawing order.
    """
    skin, hair, shirt, trousers = (
        tint(rng, choices[rng.integers(len(choices))], shade) for choices in (_SKINS, _HAIR, _SHIRTS, _TROUSERS)
    )
    sleeve = tuple(int(c * 0.82) for c in shirt)
    shoulder = (pose.neck[0], pose.neck[1] - 0.03)
    far_arm, near_arm = (
        [
            stroke(_limb(shoulder, pose.hands[i], ARM, -1.0), 0.085, sleeve),
            disc(pose.hands[i], 0.05, skin),
        ]
        for i in (1, 0)
    )
    shapes = list(far_arm)
    for i in pose.legs:
        color = trousers if i == 0 else tuple(int(c * 0.8) for c in trousers)
        foot = pose.feet[i]
        shapes.append(stroke(_limb(pose.hip, foot, LEG, pose.knee_bends[i]), 0.105, color))
        shapes.append(stroke([foot, (foot[0] + 0.06, foot[1])], 0.07, (38, 34, 34)))
    head = (pose.neck[0] * 1.0 + 0.35 * (pose.neck[0] - pose.hip[0]), pose.neck[1] + 0.14)
    shapes += [
        stroke([pose.hip, shoulder], 0.18, shirt),
        disc((head[0] - 0.02, head[1] + 0.025), 0.105, hair),
        disc((head[0] + 0.02, head[1] - 0.01), 0.09, skin),
    ]
    return shapes + near_arm


def _limb(start: tuple[float, float], end: tuple[float, float], length: float, bend: float) -> list[np.ndarray]:
    """Start, joint and end of a limb of two equal bones. It is straight if the end is too far."""
    a, b = np.asarray(start, float), np.asarray(end, float)
    span = b - a
    distance = float(np.hypot(*span))
    height = np.sqrt(max(0.0, (length / 2) ** 2 - (distance / 2) ** 2))
    across = np.array([-span[1], span[0]]) / max(distance, 1e-6)
    return [a, (a + b) / 2 + bend * height * across, b]
