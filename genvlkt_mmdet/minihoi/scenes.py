"""Random scenes, their images and annotations."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import cv2
import numpy as np

from .catalog import TWO_HANDED, label_sets, vocabulary
from .interactions import Group, idle_object, idle_person, interacting_person
from .shapes import OUTLINE, SUPERSAMPLE, Shape, disc, draw, extent, polygon, ring, stroke

IMAGE_SIZE = 128
_MARGIN = 1.5  # pixels between a box and the border of the image


@dataclass(frozen=True)
class Difficulty:
    """Difficulty of the scenes.

    Attributes:
        person_height (tuple[float, float]): Minimum and maximum height of a standing person, in pixels of 128.
        pairs (tuple[float, ...]): Probability of 0, 1, 2 ... pairs in an image.
        idle_objects (float): Expected number of objects without a pair.
        idle_persons (float): Expected number of persons without a pair.
        share_person (float): Probability that one person has both of two pairs, if that is possible.
        shade (float): Standard deviation of colours, 0 to 255.
        noise (float): Standard deviation of the pixel noise, 0 to 255.
        texture (float): Strength of the background's texture, 0 to 255.
        overlap (float): Maximum share of a group's box that another group may cover.
        gap (float): Minimum distance between groups in pixels, if they may not overlap.
        idle_up_to (int): Maximum number of pairs in an image that also has things without a pair. More would not fit at
            the default sizes.
        posing (float): Probability that a person without a pair has the pose of an interaction.
        clutter (float): Expected number of shapes behind the scene that are neither persons nor objects.
        occluders (float): Expected number of poles and leaves in front of the scene. Boxes include what they cover.
    """

    person_height: tuple[float, float] = (44.0, 60.0)
    pairs: tuple[float, ...] = (0.04, 0.52, 0.34, 0.10)
    idle_objects: float = 0.3
    idle_persons: float = 0.2
    share_person: float = 0.6
    shade: float = 12.0
    noise: float = 3.0
    texture: float = 8.0
    overlap: float = 0.0
    gap: float = 2.0
    idle_up_to: int = 2
    posing: float = 0.0
    clutter: float = 0.0
    occluders: float = 0.0


DIFFICULTIES: Mapping[str, Difficulty] = {
    'easy': Difficulty(
        person_height=(52.0, 64.0), pairs=(0.02, 0.78, 0.2), idle_objects=0.15, idle_persons=0.1, shade=8.0, texture=4.0
    ),
    'default': Difficulty(),
    'hard': Difficulty(
        person_height=(24.0, 46.0), pairs=(0.03, 0.17, 0.26, 0.26, 0.18, 0.10), idle_objects=1.0, idle_persons=0.8,
        share_person=0.6, shade=36.0, noise=9.0, texture=22.0, overlap=0.25, gap=0.0, idle_up_to=4, posing=0.6,
        clutter=6.0, occluders=2.5,
    ),
}  # fmt: skip
"""Named difficulties. The published results are for 'default'."""


@dataclass
class Scene:
    """A scene in pixels, ready to be drawn.

    Attributes:
        groups (list[Group]): Persons with their objects, and idle things, in drawing order.
        background (dict): Parameters of the background.
        size (int): Width and height of the image.
    """

    groups: list[Group]
    background: dict[str, Any]
    size: int = IMAGE_SIZE


def get_difficulty(difficulty: str | Mapping[str, Any] | Difficulty) -> Difficulty:
    """Finds a difficulty by its name, or by the fields that differ from the default. Raises ValueError for unknown ones."""
    if isinstance(difficulty, Difficulty):
        return difficulty
    if isinstance(difficulty, str):
        if difficulty not in DIFFICULTIES:
            raise ValueError(f"Unknown MiniHOI difficulty '{difficulty}': choose one of {', '.join(DIFFICULTIES)}.")
        return DIFFICULTIES[difficulty]
    unknown = set(difficulty) - set(asdict(Difficulty()))
    if unknown:
        raise ValueError(
            f"MiniHOI difficulty has no field '{min(unknown)}'; it has: {', '.join(asdict(Difficulty()))}."
        )
    return replace(
        Difficulty(), **{key: tuple(value) if isinstance(value, list) else value for key, value in difficulty.items()}
    )


def sample_scene(
    rng: np.random.Generator,
    difficulty: str | Mapping[str, Any] | Difficulty = 'default',
    long_tail: bool = False,
    hoi: int | None = None,
    num_pairs: int | None = None,
) -> Scene:
    """Samples a scene.

    Args:
        rng (np.random.Generator): Source of all random numbers.
        difficulty (str | Mapping | Difficulty): See :class:`Difficulty`.
        long_tail (bool): Whether HOI classes are as frequent as in the training split. Default: all equally frequent.
        hoi (int, optional): HOI class of a scene with one pair and nothing else.
        num_pairs (int, optional): Number of pairs. None: sampled from ``difficulty.pairs``.

    Returns:
        Scene: The scene.
    """
    settings = get_difficulty(difficulty)
    if hoi is not None:
        groups = [_person_group([(hoi,)], rng, settings)]
    else:
        groups = _sample_groups(rng, settings, long_tail, num_pairs)
    return Scene(_layout(groups, rng, settings), sample_background(rng, settings))


def sample_pairs(
    rng: np.random.Generator, difficulty: Difficulty, long_tail: bool, num_pairs: int | None = None
) -> list[tuple[int, ...]]:
    """Samples the pairs of a scene. :func:`sample_scene` does this first. Args: as there.

    Returns:
        list[tuple[int, ...]]: HOI indices of each pair.
    """
    if num_pairs is None:
        shares = np.array(difficulty.pairs)
        num_pairs = int(rng.choice(len(shares), p=shares / shares.sum()))
    sets, probabilities = label_sets(long_tail)
    return [sets[i] for i in rng.choice(len(sets), size=num_pairs, p=probabilities)]


def render_scene(scene: Scene, frame: int = 0) -> tuple[np.ndarray, dict[str, Any]]:
    """Renders the image of a scene and its annotation.

    Args:
        scene (Scene): The scene.
        frame (int): Number of the frame in a video. Each has its own pixel noise on the same background. Default: 0.

    Returns:
        tuple[np.ndarray, dict]: The image, (H, W, 3) uint8 RGB, and its record in the layout of the documented JSON, without
        ``file_name``.
    """
    canvas = _draw_background(scene)
    for shape in scene.background['clutter']:
        draw(canvas, [shape])
    for group in scene.groups:
        for member in group.order:
            draw(canvas, group.members[member])
        draw(canvas, group.props)
    for shape in scene.background['occluders']:
        draw(canvas, [shape])
    image = cv2.resize(canvas, (scene.size, scene.size), interpolation=cv2.INTER_AREA)
    seed = scene.background['noise_seed']
    rng = np.random.default_rng([seed, frame] if frame else seed)
    noise = rng.standard_normal(image.shape, dtype=np.float32)
    image = np.clip(image + scene.background['noise'] * noise, 0, 255).astype(np.uint8)
    return image, annotate(scene)


def annotate(scene: Scene) -> dict[str, Any]:
    """Annotation of a scene, see :func:`render_scene`."""
    vocab = vocabulary()
    annotations, hoi_annotation = [], []
    for group in scene.groups:
        first = len(annotations)
        for label, shapes in zip(group.labels, group.members, strict=True):
            box = np.clip(extent(shapes, OUTLINE), 0, scene.size)
            annotations.append(dict(bbox=[round(float(v), 2) for v in box], category_id=vocab.object_ids[label]))
        for member, hois in group.pairs:
            for hoi in hois:
                hoi_annotation.append(
                    dict(
                        subject_id=first,
                        object_id=first + member,
                        category_id=vocab.verb_ids[vocab.hoi_verbs[hoi]],
                        hoi_category_id=vocab.hoi_ids[hoi],
                    )
                )
    return dict(width=scene.size, height=scene.size, annotations=annotations, hoi_annotation=hoi_annotation)


def _sample_groups(
    rng: np.random.Generator, settings: Difficulty, long_tail: bool, num_pairs: int | None
) -> list[Group]:
    vocab = vocabulary()
    pairs = sample_pairs(rng, settings, long_tail, num_pairs)
    groups = [_person_group(hois, rng, settings) for hois in _share_persons(pairs, rng, settings)]
    idle = 0 if len(pairs) > settings.idle_up_to else 1
    for _ in range(idle * min(3, rng.poisson(settings.idle_objects))):
        label = int(rng.integers(1, vocab.num_objects))
        groups.append(idle_object(label, vocab.object_names[label], rng, settings.shade))
    for _ in range(idle * min(2, rng.poisson(settings.idle_persons))):
        groups.append(_idle_person(rng, settings))
    if not groups:
        groups.append(_idle_person(rng, settings))
    return groups


def _idle_person(rng: np.random.Generator, settings: Difficulty) -> Group:
    if settings.posing and rng.random() < settings.posing:
        sets, _ = label_sets(long_tail=False)
        return _person_group([sets[rng.integers(len(sets))]], rng, settings).person_alone()
    return idle_person(rng, settings.shade)


def _share_persons(
    pairs: list[tuple[int, ...]], rng: np.random.Generator, settings: Difficulty
) -> list[list[tuple[int, ...]]]:
    """Distributes the pairs to persons. Each person has one pair, or two that are possible at once."""
    vocab = vocabulary()

    def verb(hois: tuple[int, ...]) -> str | None:
        return vocab.verb_names[vocab.hoi_verbs[hois[0]]] if len(hois) == 1 else None

    left = list(pairs)
    persons = []
    while left:
        hois = left.pop(0)
        for i, other in enumerate(left):
            first, second = (hois, other) if verb(other) in TWO_HANDED else (other, hois)
            if verb(first) in TWO_HANDED.get(verb(second), ()) and rng.random() < settings.share_person:
                left.pop(i)
                persons.append([first, second])
                break
        else:
            persons.append([hois])
    return persons


def _person_group(hois: list[tuple[int, ...]], rng: np.random.Generator, settings: Difficulty) -> Group:
    vocab = vocabulary()
    tasks = []
    for pair in hois:
        label = vocab.hoi_objects[pair[0]]
        verbs = tuple(vocab.verb_names[vocab.hoi_verbs[i]] for i in pair)
        tasks.append((label, vocab.object_names[label], pair, verbs))
    return interacting_person(tasks, rng, settings.shade)


def _layout(groups: list[Group], rng: np.random.Generator, settings: Difficulty) -> list[Group]:
    """Scales, mirrors and places groups, so that they are inside the image and do not collide."""
    places = find_places(np.stack([group.extent for group in groups]), rng, settings)
    result = [group.transformed(*place) for group, place in zip(groups, places, strict=True)]
    # A group that is lower in the image is nearer, so it is drawn later.
    return sorted(result, key=lambda group: float(group.extent[3]))


def find_places(
    boxes: np.ndarray, rng: np.random.Generator, settings: Difficulty
) -> list[tuple[float, bool, np.ndarray]]:
    """Finds room in the image for groups.

    Args:
        boxes (np.ndarray): (n, 4) box around each group, in person heights.
        rng (np.random.Generator): Source of all random numbers.
        settings (Difficulty): Sizes, gaps and overlaps.

    Returns:
        list[tuple]: Scale, whether it is mirrored, and shift of each group, see :meth:`Group.transformed`.
    """
    scales = rng.uniform(*settings.person_height, size=len(boxes))
    flips = rng.random(len(boxes)) < 0.5
    # Large groups are placed first, because small ones fit between them.
    order = np.argsort(-np.prod(boxes[:, 2:] - boxes[:, :2], axis=1), kind='stable')
    while True:
        for _ in range(12):
            placed = _try_layout(boxes, scales, flips, order, rng, settings)
            if placed is not None:
                return [(scale, bool(flip), shift) for scale, flip, shift in zip(scales, flips, placed, strict=True)]
        scales = scales * 0.94


def _try_layout(
    boxes: np.ndarray,
    scales: np.ndarray,
    flips: np.ndarray,
    order: np.ndarray,
    rng: np.random.Generator,
    settings: Difficulty,
) -> np.ndarray | None:
    """Positions of the groups' origins in pixels, (n, 2). None if there is no room."""
    shifts = np.zeros((len(boxes), 2))
    taken: list[np.ndarray] = []
    room = _MARGIN + OUTLINE
    for index in order:
        x1, y1, x2, y2 = boxes[index] * scales[index]
        if flips[index]:
            x1, x2 = -x2, -x1
        low = np.array([room - x1, room + y2])
        high = np.array([IMAGE_SIZE - room - x2, IMAGE_SIZE - room + y1])
        if (high < low).any():
            return None
        origins = rng.uniform(low, high, size=(12, 2))
        candidates = np.hstack([origins, origins]) + np.array([x1, -y2, x2, -y1])
        free = np.ones(len(candidates), dtype=bool)
        for other in taken:
            free &= _covered(candidates, other, settings.gap) <= settings.overlap
        if not free.any():
            return None
        choice = int(free.argmax())
        taken.append(candidates[choice])
        shifts[index] = origins[choice]
    return shifts


def _covered(boxes: np.ndarray, other: np.ndarray, gap: float) -> np.ndarray:
    """Overlap of each box with another one, relative to the smaller of the two. The other one is widened by a gap."""
    sides = np.minimum(boxes[:, 2:], other[2:] + gap) - np.maximum(boxes[:, :2], other[:2] - gap)
    areas = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    return np.prod(sides.clip(0), axis=1) / np.minimum(areas, np.prod(other[2:] - other[:2]))


def sample_background(rng: np.random.Generator, settings: Difficulty) -> dict[str, Any]:
    """Samples the parameters of a background. Args: as those of :func:`find_places`."""
    light = rng.uniform(150, 222)
    hue = rng.normal(0, 9, 3)
    return dict(
        top=light + hue,
        bottom=light + hue + rng.normal(0, 14) + rng.normal(0, 8, 3),
        horizon=float(rng.uniform(0.3, 0.8)) if rng.random() < 0.5 else None,
        texture=settings.texture * float(rng.uniform(0.2, 1.0)),
        noise=settings.noise * float(rng.uniform(0.3, 1.0)),
        noise_seed=int(rng.integers(2**31)),
        clutter=_sample_clutter(rng, settings.clutter, behind=True),
        occluders=_sample_clutter(rng, settings.occluders, behind=False),
    )


def _sample_clutter(rng: np.random.Generator, expected: float, behind: bool) -> list[Shape]:
    """Shapes without a label, in pixels: of the size of objects behind the scene, thin or small in front of it."""
    shapes = []
    for _ in range(rng.poisson(expected) if expected else 0):
        color = tuple(int(c) for c in rng.integers(30, 250, 3))
        x, y = rng.uniform(0, IMAGE_SIZE, 2)
        radius = float(rng.uniform(3, 9) if behind else rng.uniform(1.5, 3.5))
        kind = int(rng.integers(4 if behind else 2))
        if kind == 0:
            angle = float(rng.uniform(0, np.pi))
            reach = np.array([np.cos(angle), np.sin(angle)]) * (1 if behind else rng.uniform(2, 8)) * 2 * radius
            shapes.append(stroke([(x, y) - reach, (x, y) + reach], (0.8 if behind else 0.5) * radius, color))
        elif kind == 1:
            shapes.append(disc((x, y), (radius, float(radius * rng.uniform(0.4, 1.6))), color))
        elif kind == 2:
            shapes.append(ring((x, y), radius, 0.35 * radius, color))
        else:
            angles = np.sort(rng.uniform(0, 2 * np.pi, int(rng.integers(3, 6))))
            shapes.append(polygon(np.stack([x + radius * np.cos(angles), y + radius * np.sin(angles)], 1), color))
    return shapes


def _draw_background(scene: Scene) -> np.ndarray:
    background, size = scene.background, scene.size
    t = np.linspace(0, 1, size, dtype=np.float32)[:, None, None]
    if background['horizon'] is not None:
        t = np.where(t < background['horizon'], t * 0.2, 0.8 + t * 0.2)
    colors = background['top'] * (1 - t) + background['bottom'] * t  # (size, 1, 3)
    rng = np.random.default_rng(background['noise_seed'] + 1)
    cells = rng.standard_normal((9, 9), dtype=np.float32) * background['texture']
    texture = cv2.resize(cells, (size, size), interpolation=cv2.INTER_CUBIC)[:, :, None]
    image = np.clip(colors.astype(np.float32) + texture, 0, 255).astype(np.uint8)
    # The background is smooth, so it is made at the size of the image and then enlarged.
    return cv2.resize(image, None, fx=SUPERSAMPLE, fy=SUPERSAMPLE, interpolation=cv2.INTER_NEAREST)
