"""Makes a vocabulary from any phrases, for a model that was trained with another vocabulary."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count

from ..text_table import text_table
from .hoi_vocabulary import HOIVocabulary
from .phrases import HOIText, PhraseReader
from .prompt_style import PromptStyle

HOIEntry = str | tuple[str, str | None]


@dataclass(frozen=True)
class HOIReading:
    """How an entry of an open vocabulary was read.

    Attributes:
        entry (str | tuple[str, str | None]): The phrase or pair as given.
        verb (str): Name of the verb in the vocabulary.
        obj (str, optional): Name of the object. None for an interaction without object.
        prompt (str): Input of CLIP's text encoder.
        status (str): ``'known'`` for a class of the training, otherwise ``'new combination'``, ``'new verb'``,
            ``'new object'`` or ``'new verb and object'``.
    """

    entry: HOIEntry
    verb: str
    obj: str | None
    prompt: str
    status: str

    @property
    def known(self) -> bool:
        """Whether the class was in the training."""
        return self.status == 'known'


@dataclass(frozen=True)
class OpenVocabulary:
    """A vocabulary, and the trained class of each of its classes.

    Attributes:
        vocabulary (HOIVocabulary): Its HOI classes are the given ones, in the same order. Its objects and verbs begin
            with all trained ones.
        trained_hois (tuple[int | None]): Index of the trained HOI class for each HOI class. None for a new class.
        trained_objects (tuple[int | None]): The same for each object logit, including 'nothing'.
        readings (tuple[HOIReading]): How each entry was read, in the order of the HOI classes.
    """

    vocabulary: HOIVocabulary
    trained_hois: tuple[int | None, ...]
    trained_objects: tuple[int | None, ...]
    readings: tuple[HOIReading, ...]


def readings_table(readings: Iterable[HOIReading]) -> str:
    """Formats the readings of :func:`open_vocabulary` as a table with one line per class."""
    rows = [(reading.verb, reading.obj or '-', reading.prompt, reading.status) for reading in readings]
    return text_table(('verb', 'object', 'prompt', 'status'), rows)


def open_vocabulary(trained: HOIVocabulary, hois: Sequence[HOIEntry] | OpenVocabulary) -> OpenVocabulary:
    """Makes a vocabulary from phrases and (verb, object) pairs.

    An entry that means a trained class becomes that class, with its prompt. Any other entry is new and gets a prompt in
    the style of the trained prompts. New objects follow the trained ones, before 'person only' and 'nothing'.

    Args:
        trained (HOIVocabulary): The vocabulary that the model was trained with.
        hois (Sequence[str | tuple[str, str | None]]): Phrases such as ``'a person feeding a giraffe'`` and pairs such as
            ``('ride', 'horse')``. A pair without object, ``('stand', None)``, only if the trained vocabulary has such classes.
            An earlier result for the same trained vocabulary is returned as it is.

    Raises:
        ValueError: If there is no entry, an entry names no interaction or is ambiguous, or two name the same class.
    """
    if isinstance(hois, OpenVocabulary):
        return hois
    if isinstance(hois, str) or not isinstance(hois, Iterable) or not (hois := list(hois)):
        raise ValueError('An open vocabulary is a list of at least one phrase or (verb, object) pair.')
    builder = _Builder(trained)
    classes: dict[tuple[int, int | None], tuple[HOIEntry, str]] = {}
    for entry in hois:
        pair, prompt = builder.add(entry)
        if pair in classes:
            raise ValueError(f'{entry!r} and {classes[pair][0]!r} are the same class: name it once.')
        classes[pair] = entry, prompt
    return builder.build(classes)


class _Builder:
    """Collects verbs and objects, starting with the trained ones."""

    def __init__(self, trained: HOIVocabulary) -> None:
        self.trained = trained
        self.reader, self.style = PhraseReader(trained), PromptStyle.of(trained)
        self.verbs, self.verb_texts = list(trained.verb_names), list(self.style.verbs)
        self.objects, self.object_texts = list(trained.object_names), list(self.style.objects)
        # The index of 'no object' moves when objects are added; here it is None.
        self.trained_pairs = {
            (verb, obj if obj < trained.num_objects else None): i
            for i, (verb, obj) in enumerate(zip(trained.hoi_verbs, trained.hoi_objects, strict=True))
        }

    def add(self, entry: HOIEntry) -> tuple[tuple[int, int | None], str]:
        """Indices of the verb and the object of an entry, and its prompt."""
        text = self.reader.read(entry)
        if text.obj is None and not self.trained.has_no_object:
            raise ValueError(
                f"{entry!r} names no object, and vocabulary '{self.trained.name}' has no interactions without one: write "
                "a phrase such as 'a person riding a horse', or (verb, object)."
            )
        verb, obj = self._verb(text), self._object(text.obj)
        if (verb, obj) in self.trained_pairs:
            return (verb, obj), self.trained.hoi_prompts[self.trained_pairs[verb, obj]]
        if not text.plain:
            words = self.style.verb(text.words) if text.bare else text.words
        else:
            words = self.verb_texts[verb] + ('' if obj is None else f' {self.object_texts[obj]}')
        return (verb, obj), self.style.prefix + words

    def _verb(self, text: HOIText) -> int:
        index = self.reader.verb_index(text.verb)
        if index is None:
            index = len(self.verbs)
            self.verbs.append(text.verb)
            # After a person, the verb keeps the form that the user wrote.
            self.verb_texts.append(self.style.verb(text.verb) if text.bare else text.verb)
            self.reader.add_verb(text.verb, index)
        return index

    def _object(self, name: str | None) -> int | None:
        if name is None:
            return None
        index = self.reader.object_index(name)
        if index is None:
            index = len(self.objects)
            self.objects.append(name)
            self.object_texts.append(self.style.object(name))
            self.reader.add_object(name, index)
        return index

    def build(self, classes: Mapping[tuple[int, int | None], tuple[HOIEntry, str]]) -> OpenVocabulary:
        """Makes the vocabulary of these (verb, object) classes with their entries and prompts."""
        trained, num_objects = self.trained, len(self.objects)
        trained_hois = tuple(self.trained_pairs.get(pair) for pair in classes)
        objects: list[str | None] = [None if obj is None else self.objects[obj] for _, obj in classes]
        readings = tuple(
            HOIReading(entry, self.verbs[pair[0]], obj, prompt, self._status(*pair))
            for (pair, (entry, prompt)), obj in zip(classes.items(), objects, strict=True)
        )
        new_prompts = [self.style.object_prefix + text for text in self.object_texts[trained.num_objects :]]
        vocabulary = replace(
            trained,
            object_names=tuple(self.objects),
            object_ids=_extended(trained.object_ids, num_objects),
            verb_names=tuple(self.verbs),
            verb_ids=_extended(trained.verb_ids, len(self.verbs)),
            verb_phrases=(*trained.verb_phrases, *self.verb_texts[trained.num_verbs :]),
            hoi_verbs=tuple(verb for verb, _ in classes),
            hoi_objects=tuple(num_objects if obj is None else obj for _, obj in classes),
            hoi_ids=_class_ids(trained.hoi_ids, trained_hois),
            hoi_prompts=tuple(prompt for _, prompt in classes.values()),
            object_prompts=_inserted(trained.object_prompts, new_prompts, trained.num_objects),
            # New classes have no training instances.
            splits={
                key: tuple(i for i, known in enumerate(trained_hois) if known is None or known in unseen)
                for key, unseen in trained.splits.items()
            },
            rare=tuple(i for i, known in enumerate(trained_hois) if known in trained.rare),
        )
        logits = _inserted(range(trained.num_object_logits), [None] * len(new_prompts), trained.num_objects)
        return OpenVocabulary(vocabulary, trained_hois, logits, readings)

    def _status(self, verb: int, obj: int | None) -> str:
        if (verb, obj) in self.trained_pairs:
            return 'known'
        new = ['verb'] * (verb >= self.trained.num_verbs)
        new += ['object'] * (obj is not None and obj >= self.trained.num_objects)
        return f'new {" and ".join(new) or "combination"}'


def _inserted(values: Sequence, new: Sequence, at: int) -> tuple:
    return (*values[:at], *new, *values[at:])


def _extended(ids: tuple[int, ...], length: int) -> tuple[int, ...]:
    free = max(ids) + 1
    return (*ids, *range(free, free + length - len(ids)))


def _class_ids(ids: tuple[int, ...], trained_hois: Sequence[int | None]) -> tuple[int, ...]:
    free = count(max(ids) + 1)
    return tuple(next(free) if known is None else ids[known] for known in trained_hois)
