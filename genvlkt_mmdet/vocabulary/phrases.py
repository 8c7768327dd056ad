"""Reads interactions from phrases and (verb, object) pairs."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from .english import PREPOSITIONS, gerund, is_gerund, plural, singular
from .hoi_vocabulary import HOIVocabulary

_PHOTO = re.compile(r'^(?:(?:an?|the) )?(?:photo|photograph|picture|image) of ')
_ARTICLES = frozenset(('a', 'an', 'the'))
_DETERMINERS = _ARTICLES | frozenset((
    'his', 'her', 'their', 'its', 'my', 'your', 'our', 'this', 'that', 'these', 'those', 'some', 'any', 'another',
    'all', 'both', 'each', 'every', 'two', 'three', 'four', 'five', 'six', 'seven', 'eight', 'nine', 'ten', 'many',
    'several', 'few',
))  # fmt: skip
# Nouns for people, in the singular. The model does not distinguish them.
_PERSONS = frozenset((
    'person', 'human', 'someone', 'somebody', 'man', 'woman', 'boy', 'girl', 'child', 'kid', 'baby', 'toddler',
    'teenager', 'adult', 'guy', 'lady', 'gentleman', 'couple', 'group', 'crowd', 'family', 'team', 'pedestrian', 'cyclist',
    'bicyclist', 'motorcyclist', 'biker', 'rider', 'driver', 'passenger', 'player', 'athlete', 'skier', 'snowboarder',
    'skater', 'skateboarder', 'surfer', 'swimmer', 'runner', 'golfer', 'worker', 'farmer', 'chef', 'waiter', 'waitress',
    'student', 'teacher', 'doctor', 'nurse', 'officer', 'policeman', 'policewoman', 'fireman', 'firefighter', 'soldier',
    'musician', 'artist', 'tourist', 'photographer', 'fisherman', 'cowboy', 'cowgirl',
))  # fmt: skip
# Between the person and the verb.
_JOINTS = (('who', 'that'), ('is', 'are', 'was', 'were'))
_NO_OBJECT = frozenset(('something', 'anything'))
_PRONOUNS = frozenset((
    'it', 'them', 'him', 'me', 'us', 'you', 'one', 'ones', 'other', 'others', 'himself', 'herself', 'itself',
    'themselves',
))  # fmt: skip
_NEGATIONS = frozenset((
    'not', 'no', 'never', 'without', 'neither', 'nor', 'nobody', 'nothing', 'none', 'cannot',
))  # fmt: skip
_JOINING = frozenset(('and', 'or', 'but', 'while', 'when', 'then', 'plus', 'also'))
_SEPARATORS = re.compile(r'[,;:&+/|()]|\.(?= )')
# Inside an object they begin a place or a time ('horse on the beach'), unlike those of 'glass of wine' and 'round table'.
_PLACING = PREPOSITIONS - {'of', 'and', 'as', 'round', 'past', 'down', 'up', 'out', 'off'}
# When and how something is done, at the end of a phrase.
_CIRCUMSTANCES = frozenset((
    'today', 'tonight', 'tomorrow', 'yesterday', 'day', 'night', 'morning', 'noon', 'afternoon', 'evening', 'midnight',
    'week', 'weekend', 'month', 'year', 'summer', 'winter', 'autumn', 'now', 'again', 'rain', 'sun', 'sunshine', 'dark',
    'darkness', 'storm', 'wind', 'fog', 'together', 'alone', 'outdoors', 'indoors', 'here', 'there', 'everywhere',
    'fast', 'away', 'downhill', 'uphill', 'downstairs', 'upstairs', 'barefoot', 'background', 'foreground', 'distance',
))  # fmt: skip
_MAX_CHARACTERS = 300
_HOW = "write a phrase such as 'a person riding a horse', or (verb, object)."


@dataclass(frozen=True)
class HOIText:
    """An interaction as text, in lower case.

    Attributes:
        verb (str): The verb as written: 'ride', 'riding', 'rides'.
        obj (str, optional): The object as written, without article. None for an interaction without object.
        words (str): The words of a phrase after the person. Empty for a pair.
        bare (bool): Whether there is no person before the verb, as in a pair. The verb may then be in its base form.
        plain (bool): Whether there is nothing but verb and object: 'riding a horse' is plain, 'riding his horse' is not.
    """

    verb: str
    obj: str | None
    words: str = ''
    bare: bool = True
    plain: bool = True


class PhraseReader:
    """Finds verb and object in phrases and pairs, using the names in a vocabulary.

    Args:
        vocabulary (HOIVocabulary): The vocabulary whose verbs, objects and prompts are known.
    """

    def __init__(self, vocabulary: HOIVocabulary) -> None:
        self._objects = {_clean(name): index for index, name in enumerate(vocabulary.object_names)}
        self._verbs: dict[str, int] = {}
        self._phrases: dict[str, HOIText] = {}
        # Names of verbs take precedence over phrases, and these over words of prompts and other forms.
        for index, name in [*enumerate(vocabulary.verb_names), *enumerate(vocabulary.verb_phrases)]:
            self._verbs.setdefault(_clean(name), index)
        for prompt, verb, obj in zip(vocabulary.hoi_prompts, vocabulary.hoi_verbs, vocabulary.hoi_objects, strict=True):
            words = _words(prompt)
            words = words[self._subject(words) or 0 :]
            noun = vocabulary.object_names[obj] if obj < vocabulary.num_objects else None
            self._phrases.setdefault(_key(words), HOIText(vocabulary.verb_names[verb], noun))
            if noun is not None and (start := _before(words, _clean(noun).split())):
                self._verbs.setdefault(start, verb)  # V-COCO's 'looking at', whose name is `look_obj`
        for index, name in enumerate(vocabulary.verb_names):
            self._verbs.setdefault(gerund(_clean(name)), index)

    def read(self, entry: Any) -> HOIText:
        """Reads a pair or a phrase.

        1. 'a photo of' and the person at the beginning are optional.
        2. A phrase that equals a prompt of the vocabulary, apart from these and from articles, is that class.
        3. Otherwise, the object is what follows the article or another determiner.
        4. Without a determiner, the object is a known one at the end of the phrase, if it follows a known verb or a
           preposition. Otherwise it is what follows a known verb, or the first word and its prepositions.
        5. The verb is what comes before the object.

        A phrase with more content, such as a place or a second interaction, is refused.

        Args:
            entry (str | tuple[str, str | None]): Phrase or (verb, object) pair.

        Returns:
            HOIText: Verb and object.

        Raises:
            ValueError: If the entry is neither, has no verb or no object, or is ambiguous.
        """
        if len(text := str(entry)) > _MAX_CHARACTERS:  # the rules for English forms would take minutes
            raise ValueError(
                f'{text[:40]!r}... has {len(text):,} characters, but a phrase has at most {_MAX_CHARACTERS}.'
            )
        match entry:
            case str():
                return self._read_phrase(entry)
            case [str(verb), str() | None as obj]:
                verb = _clean(verb)
            case _:
                raise ValueError(f'{entry!r} is neither a phrase nor a (verb, object) pair.')
        if obj is not None:
            words = _clean(obj).split()
            obj = ' '.join(words[1:] if words[:1] and words[0] in _ARTICLES else words)
        if not verb or obj == '':
            raise ValueError(f'{entry!r} lacks its {"object" if verb else "verb"}.')
        return HOIText(verb, obj)

    def verb_index(self, text: str) -> int | None:
        """Index of a verb, found by its name, its phrase or another form. None for a new verb."""
        return next((self._verbs[form] for form in _verb_forms(text) if form in self._verbs), None)

    def object_index(self, text: str) -> int | None:
        """Index of an object, found by its name in singular or plural. None for a new object."""
        return next((self._objects[form] for form in _object_forms(text) if form in self._objects), None)

    def add_verb(self, text: str, index: int) -> None:
        """Adds a new verb and its forms."""
        self._verbs[text] = index
        self._verbs.setdefault(gerund(text), index)

    def add_object(self, text: str, index: int) -> None:
        """Adds a new object."""
        self._objects[text] = index

    def _read_phrase(self, phrase: str) -> HOIText:
        words = _words(phrase)
        start = self._subject(words)
        if start is None:
            self._refuse_subject(phrase, words)
        bare, words = start == 0, words[start:]
        if words and words[-1] not in _DETERMINERS and _key(words) in self._phrases:
            return self._phrases[_key(words)]
        verb, determiner, obj = self._split(words)
        self._check(phrase, verb, determiner, obj)
        plain = words == verb if obj is None else determiner in (None, *_ARTICLES)
        return HOIText(' '.join(verb), None if obj is None else ' '.join(obj), ' '.join(words), bare, plain)

    # The person

    def _subject(self, words: list[str]) -> int | None:
        """Number of words for the person, 0 if there are none. None if the subject may not be a person."""
        determined = bool(words) and (_is_determiner(words[0]) or words[0] == 'one')
        if not words or (not determined and words[0] not in _PERSONS and self._begins_verb(words)):
            return 0
        end = _person_end(words, determined)
        if end == 0:
            # 'stroke two horses' and 'dressed as a clown' are verbs, but in 'dog riding skateboard' a dog acts
            following = next((word for word in words[1:] if is_gerund(word) or _is_determiner(word)), '')
            return None if determined or is_gerund(following) else 0
        for joints in _JOINTS:
            if end < len(words) and words[end] in joints:
                end += 1
        return end

    def _begins_verb(self, words: list[str]) -> bool:
        return (
            is_gerund(words[0])
            or words[0] in PREPOSITIONS
            or any(self.verb_index(' '.join(words[:i])) is not None for i in range(1, len(words) + 1))
        )

    def _refuse_subject(self, phrase: str, words: list[str]) -> NoReturn:
        _refuse_negation(phrase, words)
        _refuse_joining(phrase, words)
        acting = next((i for i, word in enumerate(words) if is_gerund(word)), 0)
        subject = ' '.join(words[:acting])
        if not subject or _is_determiner(subject):
            raise ValueError(f'{phrase!r} names no verb: {_HOW}')
        raise ValueError(f"{phrase!r} names no verb of a person, since '{subject}' is not known to be one: {_HOW}")

    # Verb and object

    def _split(self, words: list[str]) -> tuple[list[str], str | None, list[str] | None]:
        """Verb, determiner and object. The object is None if there is none, and empty if it is missing."""
        if words and words[-1] in _NO_OBJECT:
            return words[:-1], None, None
        places = [i for i, word in enumerate(words) if _is_determiner(word)]
        if places:
            verb = words[: places[-1]]
            while verb and _is_determiner(verb[-1]):
                verb = verb[:-1]
            return verb, words[places[-1]], words[places[-1] + 1 :]
        start = self._split_without_determiner(words)
        return words[:start], None, words[start:] or None

    def _split_without_determiner(self, words: list[str]) -> int:
        """Position where the object begins. The end of the phrase for a verb without object."""
        objects = [i for i in range(len(words)) if self.object_index(' '.join(words[i:])) is not None]
        verbs = [i for i in range(1, len(words) + 1) if self.verb_index(' '.join(words[:i])) is not None]
        if len(words) in verbs:
            return len(words)
        if objects and (objects[0] == 0 or objects[0] in verbs):
            return objects[0]
        start = 1
        while start < len(words) and words[start] in PREPOSITIONS:
            start += 1
        start = max(verbs[-1:] + [start])
        # 'taking pictures of | horse', but 'feeding | police horse'
        if objects and (objects[0] < start or words[objects[0] - 1] in PREPOSITIONS):
            return objects[0]
        return start

    def _check(self, phrase: str, verb: list[str], determiner: str | None, obj: list[str] | None) -> None:
        """Refuses phrases that are ambiguous, or are not one verb with at most one object."""
        known_verb = self.verb_index(' '.join(verb)) is not None
        known_object = self.object_index(' '.join(obj or [])) is not None
        new_words = ([] if known_verb else verb) + ([] if known_object else obj or [])
        _refuse_negation(phrase, new_words)
        if not known_verb and (not verb or self._is_no_verb(verb[0])):
            raise ValueError(f'{phrase!r} names no verb: {_HOW}')
        if obj == [] or (obj and not known_object and (obj[-1] in _PRONOUNS or obj[0] in _NO_OBJECT)):
            raise ValueError(f'{phrase!r} names no object: {_HOW}')
        _refuse_joining(phrase, new_words)
        if not known_verb and not _is_clear_verb(verb):
            unclear = f"'{' '.join(verb)}' is not clearly one verb"
        elif obj and not known_object and not self._is_clear_object(obj, determiner):
            unclear = f"'{' '.join(obj)}' is not clearly one object"
        else:
            return
        raise ValueError(
            f'{phrase!r} is ambiguous, because {unclear}: leave out what else it says, or write a pair such as '
            "('ride', 'horse')."
        )

    def _is_no_verb(self, word: str) -> bool:
        """Whether a word cannot be the first word of a new verb."""
        return _is_determiner(word) or any(word in joints for joints in _JOINTS) or self.object_index(word) is not None

    def _is_clear_object(self, obj: list[str], determiner: str | None) -> bool:
        """Whether all words belong to a new object. False for 'horse on the beach' and 'horse today'."""
        for i, word in enumerate(obj[1:], 1):
            # 'horse jumping' and 'red riding horse', but 'electric sewing machine'
            acts = is_gerund(word) and (word in self._verbs or self.object_index(' '.join(obj[:i])) is not None)
            if word in _PLACING or acts:
                return False
        last, rest = obj[-1], ' '.join(obj[:-1])
        if last in PREPOSITIONS or last in _CIRCUMSTANCES:
            return False
        # 'riding quickly' and 'a horse slowly', but 'a butterfly'
        alone = not rest and determiner is None
        return not (last.endswith('ly') and (alone or self.object_index(rest) is not None))


def _is_clear_verb(verb: list[str]) -> bool:
    """Whether a new verb is one word with prepositions, or ends like 'taking pictures of'. False for 'riding horse on'."""
    if verb[0].endswith('ly') or verb[0] in _CIRCUMSTANCES:
        return False
    noun_of = verb[-1] == 'of'
    return all(
        word in PREPOSITIONS or (noun_of and not _is_determiner(word) and not is_gerund(word)) for word in verb[1:]
    )


def _refuse_negation(phrase: str, words: Sequence[str]) -> None:
    negation = next((word for word in words if word in _NEGATIONS or word.endswith("n't")), None)
    if negation is not None:
        raise ValueError(f"{phrase!r} says by '{negation}' that something is absent, which cannot be detected: {_HOW}")


def _refuse_joining(phrase: str, words: Sequence[str]) -> None:
    joining = [word for word in words if word in _JOINING] + _SEPARATORS.findall(' '.join(words))
    if joining:
        raise ValueError(f"{phrase!r} joins several things by '{joining[0]}': name one interaction at a time.")


def _person_end(words: list[str], determined: bool) -> int:
    """Number of words for a person at the beginning of a phrase, 0 if there are none."""
    start = 1 if determined else 0
    if words[start + 1 : start + 2] == ['of'] and words[start] in ('group', 'crowd', 'couple', 'pair', 'team'):
        start += 2
    for i, word in enumerate(words[start : start + 4], start):
        if _is_person(word):
            while words[i + 1 : i + 2] and words[i + 1] in _PERSONS:  # 'a baby girl'
                i += 1
            # Without a determiner, 'embrace people' is as likely as 'young people sitting'.
            return i + 1 if determined or start == i or is_gerund(' '.join(words[i + 1 : i + 2])) else 0
        # 'the smiling woman', but not 'a dog biting a man'
        if word in PREPOSITIONS or _is_determiner(word) or (is_gerund(word) and i > start):
            break
    return 0


def _is_determiner(word: str) -> bool:
    return word in _DETERMINERS or word.isdigit()


def _is_person(word: str) -> bool:
    return word in _PERSONS or singular(word) in _PERSONS


def _clean(text: str) -> str:
    """Lower case, single spaces for spaces and underscores, no punctuation around."""
    return ' '.join(text.lower().replace('_', ' ').replace('’', "'").split()).strip(' .,;:!?"\'')


def _words(phrase: str) -> list[str]:
    """The words of a phrase after 'a photo of'."""
    return _PHOTO.sub('', _clean(phrase), count=1).split()


def _key(words: list[str]) -> str:
    return ' '.join(word for word in words if word not in _ARTICLES)


def _before(words: list[str], obj: list[str]) -> str:
    """The words of a prompt between the person and the object. Empty if the prompt does not end with the object."""
    if words[-len(obj) :] != obj:
        return ''
    start = words[: -len(obj)]
    return ' '.join(start[:-1] if start and start[-1] in _ARTICLES else start)


def _verb_forms(text: str) -> Iterator[str]:
    """The verb, its -ing form, and the -ing form without the s of 'rides'."""
    text = _clean(text)
    yield text
    yield gerund(text)
    first, *rest = text.split() or ['']
    if first.endswith('s') and (base := singular(first)):
        yield gerund(' '.join([base, *rest]))


def _object_forms(text: str) -> Iterator[str]:
    """The object, without 'pair of', in the singular, and in the plural ('skis' for 'ski')."""
    text = _clean(text)
    yield text
    text = text.removeprefix('pair of ')
    yield text
    if text in ('someone', 'somebody'):
        yield 'person'
    if text:
        yield singular(text) or text
        yield plural(text)
