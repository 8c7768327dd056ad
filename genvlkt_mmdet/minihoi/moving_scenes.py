"""Scenes that move: persons take up an object, do something with it for a while, and leave it again."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from .catalog import label_sets, vocabulary
from .interactions import Group, arrange, idle_object, idle_person
from .objects import ObjectDrawing, draw_object
from .persons import Pose, draw_person
from .scenes import Difficulty, Scene, find_places, get_difficulty, sample_background
from .shapes import Shape, extent

TRANSITION = 0.4
"""Seconds from rest to an interaction, and back."""

_ACT_SECONDS = (1.6, 4.0)
_REST_SECONDS = (0.8, 1.6)
_STAYS = ('kick', 'wash', 'jump_over')  # done on the spot; with the other verbs, the person walks
_COMES_TO_THE_OBJECT = ('ride', 'jump_over')
_ACTORS = (0.6, 0.4)  # probability of 1, 2 ... persons
_WALK = 0.3  # furthest way from the place of rest, in person heights
_SWAY = 0.03  # movement at rest, in person heights
_GAP = 0.4  # between a person and its object at rest, in person heights. Nearer, the person would seem to push it
_EXTENT_STEPS = 60  # moments at which the room that an actor needs is measured


@dataclass
class Act:
    """An interaction of an actor.

    Attributes:
        begin (float): Time in seconds at which it begins, after the transition to it.
        end (float): Time at which it ends, before the transition back.
        hois (tuple[int, ...]): Its HOI classes.
        pose (Pose): Pose of the person.
        place (tuple[float, float]): Place of the object.
        props (list[Shape]): Rope and water.
        mirrored (bool): Whether the person looks away from the object, as for 'pull'.
        comes (bool): Whether the person comes to the object, which stays where it is.
        walk (float): Furthest way that the two go, in person heights.
    """

    begin: float
    end: float
    hois: tuple[int, ...]
    pose: Pose
    place: tuple[float, float]
    props: list[Shape]
    mirrored: bool
    comes: bool
    walk: float

    def share(self, seconds: float) -> float:
        """How far the transition to the act is at a time: 0 at rest, 1 in the act."""
        outside = max(self.begin - seconds, seconds - self.end, 0.0)
        left = max(0.0, 1 - outside / TRANSITION)
        return left * left * (3 - 2 * left)


@dataclass
class Actor:
    """A person, its object and their acts. Lengths are in person heights; the object rests at the right.

    Attributes:
        looks (int): Seed of the person's colours.
        sway (float): Phase of the movement at rest.
        label (int): Class of the object.
        drawing (ObjectDrawing): The object.
        rest (tuple[float, float]): Its place at rest.
        acts (list[Act]): In order of time.
    """

    looks: int
    sway: float
    label: int
    drawing: ObjectDrawing
    rest: tuple[float, float]
    acts: list[Act]

    def group(self, seconds: float, shade: float) -> Group:
        """Person and object at a time."""
        act = max(self.acts, key=lambda act: act.share(seconds))
        share = act.share(seconds)
        progress = np.clip((seconds - act.begin) / (act.end - act.begin), 0, 1)
        shift = share * act.walk * np.sin(np.pi * progress) ** 2 + _SWAY * np.sin(self.sway + 1.7 * seconds)
        if act.comes:
            shift += share * (self.rest[0] - act.place[0])
        person = draw_person(_between(Pose(), act.pose, share), np.random.default_rng(self.looks), shade)
        person = [shape.moved((shift, 0.0), flip=act.mirrored and share > 0) for shape in person]
        x, y = (a + share * (b - a) for a, b in zip(self.rest, act.place, strict=True))
        x = self.rest[0] + share * act.walk * np.sin(np.pi * progress) ** 2 if act.comes else x + share * shift
        thing = [shape.moved((x, y)) for shape in self.drawing.shapes]
        busy = share == 1.0
        props = [shape.moved((shift, 0.0), flip=act.mirrored) for shape in act.props] if busy else []
        return Group([0, self.label], [person, thing], [1, 0], [(1, act.hois)] if busy else [], props)


@dataclass
class MovingScene:
    """A scene of a video.

    Members of the groups, in their order, are the same persons and objects in all frames.

    Attributes:
        actors (list[Actor]): Persons with their objects.
        extras (list[Group]): Things without a pair, in pixels. They stay where they are.
        places (list[tuple]): Scale, mirroring and shift of each actor.
        background (dict): As in :class:`Scene`.
        shade (float): As in :class:`Difficulty`.
    """

    actors: list[Actor]
    extras: list[Group]
    places: list[tuple[float, bool, np.ndarray]]
    background: dict[str, Any]
    shade: float

    def at(self, seconds: float) -> Scene:
        """The scene at a time."""
        groups = [a.group(seconds, self.shade).transformed(*p) for a, p in zip(self.actors, self.places, strict=True)]
        return Scene([*self.extras, *groups], self.background)


def sample_moving_scene(
    rng: np.random.Generator, seconds: float, difficulty: str | Mapping[str, Any] | Difficulty = 'default'
) -> MovingScene:
    """Samples a scene of one or two persons, who each do several things with one object.

    Args:
        rng (np.random.Generator): Source of all random numbers.
        seconds (float): Length.
        difficulty (str | Mapping | Difficulty): See :class:`Difficulty`. The number of pairs is that of the persons.

    Returns:
        MovingScene: The scene.
    """
    settings = get_difficulty(difficulty)
    number = 1 + int(rng.choice(len(_ACTORS), p=_ACTORS))
    actors = [_sample_actor(rng, seconds, settings.shade) for _ in range(number)]
    extras = []
    if rng.random() < settings.idle_objects:
        label = int(rng.integers(1, vocabulary().num_objects))
        extras.append(idle_object(label, vocabulary().object_names[label], rng, settings.shade))
    if rng.random() < settings.idle_persons:
        extras.append(idle_person(rng, settings.shade))
    boxes = [_room(actor, seconds, settings.shade) for actor in actors] + [group.extent for group in extras]
    places = find_places(np.stack(boxes), rng, settings)
    return MovingScene(
        actors,
        [group.transformed(*place) for group, place in zip(extras, places[number:], strict=True)],
        places[:number],
        sample_background(rng, settings),
        settings.shade,
    )


def _sample_actor(rng: np.random.Generator, seconds: float, shade: float) -> Actor:
    vocab = vocabulary()
    sets, _ = label_sets(long_tail=False)
    label = int(rng.integers(1, vocab.num_objects))
    choices = [hois for hois in sets if vocab.hoi_objects[hois[0]] == label]
    drawing = draw_object(vocab.object_names[label], rng, shade)
    x1, _, x2, _ = drawing.extent
    acts: list[Act] = []
    now = float(rng.uniform(*_REST_SECONDS)) + TRANSITION
    while not acts or now + _ACT_SECONDS[0] + TRANSITION < seconds:
        hois = choices[int(rng.integers(len(choices)))]
        if len(choices) > 1 and acts and hois == acts[-1].hois:
            continue
        verbs = tuple(vocab.verb_names[vocab.hoi_verbs[i]] for i in hois)
        end = now + float(rng.uniform(*_ACT_SECONDS))
        acts.append(_sample_act(drawing, hois, verbs, rng, now, end))
        now = end + 2 * TRANSITION + float(rng.uniform(*_REST_SECONDS))
    # The object rests beside the person, and never has to cross it.
    person = extent(draw_person(Pose(), np.random.default_rng(0), shade))
    rest = (float(person[2]) + _GAP + 2 * _SWAY - float(x1), 0.0)
    return Actor(int(rng.integers(2**31)), float(rng.uniform(0, 2 * np.pi)), label, drawing, rest, acts)


def _sample_act(
    drawing: ObjectDrawing,
    hois: tuple[int, ...],
    verbs: tuple[str, ...],
    rng: np.random.Generator,
    begin: float,
    end: float,
) -> Act:
    # The rope is behind the person: so the person turns, and the object stays at the right.
    mirrored = 'pull' in verbs
    pose, ((x, y),), props = arrange([drawing.mirrored() if mirrored else drawing], [verbs], rng)
    walk = 0.0 if set(verbs) & set(_STAYS) else float(rng.uniform(-_WALK, _WALK))
    comes = bool(set(verbs) & set(_COMES_TO_THE_OBJECT))
    return Act(begin, end, hois, pose, (-x if mirrored else x, y), props, mirrored, comes, walk)


def _room(actor: Actor, seconds: float, shade: float) -> np.ndarray:
    """Box around everything that an actor does, (4)."""
    boxes = np.stack([actor.group(t, shade).extent for t in np.linspace(0, seconds, _EXTENT_STEPS)])
    return np.concatenate([boxes[:, :2].min(0), boxes[:, 2:].max(0)])


def _between(start: Pose, end: Pose, share: float) -> Pose:
    """A pose on the way from one to another."""
    if share == 1.0:
        return end

    def mix(a: Any, b: Any) -> Any:
        return tuple((1 - share) * x + share * y for x, y in zip(a, b, strict=True))

    return Pose(
        hip=mix(start.hip, end.hip),
        neck=mix(start.neck, end.neck),
        hands=[mix(a, b) for a, b in zip(start.hands, end.hands, strict=True)],
        feet=[mix(a, b) for a, b in zip(start.feet, end.feet, strict=True)],
        knee_bends=list(mix(start.knee_bends, end.knee_bends)),
        legs=end.legs if share > 0.5 else start.legs,
    )
