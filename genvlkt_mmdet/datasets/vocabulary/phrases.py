"""Reads interactions as people write them: (verb, object) pairs and phrases."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from .gerund import PREPOSITIONS, gerund
from .hoi_vocabulary import HOIVocabulary

_PICTURE = re.compile(r'^(?:(?:an?|the) )?(?:photo|photograph|picture|image) of ')
_ARTICLES = frozenset(('a', 'an', 'the'))
_DETERMINERS = _ARTICLES | frozenset((
    'his', 'her', 'their', 'its', 'my', 'your', 'our', 'this', 'that', 'these', 'those', 'some', 'any', 'another',
    'all', 'both', 'each', 'every', 'two', 'three', 'many', 'several',
))  # fmt: skip
# Also 'the young woman who is'; no phrase without a person begins with a determiner.
_SUBJECT = re.compile(
    rf'(?:(?:{"|".join(sorted(_DETERMINERS))}|one) (?:\w+ ){{0,2}}?)?'
    r'(?:person|people|humans?|someone|somebody|man|men|woman|women|boys?|girls?|child|children)'
    r'(?: (?:who|that))?(?: (?:is|are))?(?: |$)'
)
_NO_OBJECT = frozenset(('something', 'anything'))


@dataclass(frozen=True)
class HOIText:
    """An interaction in words, lower case.

    Attributes:
        verb (str): The verb as it was written: 'ride', 'riding', 'rides'.
        obj (str, optional): The object as it was written, without article; None for an interaction without one.
        words (str): All that a phrase says after the person; empty for a pair.
        bare (bool): Whether the verb stands without a person, as in a pair, and so perhaps in its base form.
        plain (bool): Whether verb and object say it all: 'riding a horse' is plain, 'riding his horse' is not.
    """

    verb: str
    obj: str | None
    words: str = ''
    bare: bool = True
    plain: bool = True


class PhraseReader:
    """Finds verb and object in phrases and pairs, with the help of the names that a vocabulary has.

    Args:
        vocabulary (HOIVocabulary): The vocabulary whose verbs, objects and prompts are known.
    """

    def __init__(self, vocabulary: HOIVocabulary) -> None:
        self._objects = {_clean(name): index for index, name in enumerate(vocabulary.object_names)}
        self._verbs: dict[str, int] = {}
        self._phrases: dict[str, HOIText] = {}
        # A verb's own name wins over what else may stand for it, and that over what may stand for another verb.
        for names in (vocabulary.verb_names, vocabulary.verb_phrases):
            for index, name in enumerate(names):
                self._verbs.setdefault(_clean(name), index)
        for prompt, verb, obj in zip(vocabulary.hoi_prompts, vocabulary.hoi_verbs, vocabulary.hoi_objects, strict=True):
            words, _ = _after_person(prompt)
            noun = vocabulary.object_names[obj] if obj < vocabulary.num_objects else None
            self._phrases.setdefault(_key(words), HOIText(vocabulary.verb_names[verb], noun))
            if noun is not None and (start := _before(words, _clean(noun).split())):
                self._verbs.setdefault(start, verb)  # V-COCO's 'looking at', whose name is `look_obj`
        for index, name in enumerate(vocabulary.verb_names):
            self._verbs.setdefault(gerund(_clean(name)), index)

    def read(self, entry: Any) -> HOIText:
        """Reads a pair or a phrase.

        A phrase may begin with 'a photo of' and with a person. One that equals a prompt of the vocabulary but for that and
        for articles is its class. Else the object is what follows the last article or other determiner, and what stands
        before it is the verb. Without one, the object is a known one at the end that follows a known verb or a preposition;
        else it is what follows a known verb, or the first word with the prepositions after it.

        Args:
            entry (str | tuple[str, str | None]): Phrase or (verb, object) pair.

        Returns:
            HOIText: Verb and object.

        Raises:
            ValueError: If the entry is neither, or lacks its verb or its object.
        """
        if isinstance(entry, str):
            return self._read_phrase(entry)
        if not _is_pair(entry):
            raise ValueError(f'{entry!r} is neither a phrase nor a (verb, object) pair.')
        verb, obj = _clean(entry[0]), entry[1]
        if obj is not None:
            words = _clean(obj).split()
            obj = ' '.join(words[1:] if words[:1] and words[0] in _ARTICLES else words)
        if not verb or obj == '':
            raise ValueError(f'{entry!r} lacks its {"object" if verb else "verb"}.')
        return HOIText(verb, obj)

    def verb_index(self, text: str) -> int | None:
        """Index of a verb by its name, its wording or another form of it; None for a new one."""
        return next((self._verbs[form] for form in _verb_forms(text) if form in self._verbs), None)

    def object_index(self, text: str) -> int | None:
        """Index of an object by its name, in the singular or the plural; None for a new one."""
        return next((self._objects[form] for form in _object_forms(text) if form in self._objects), None)

    def add_verb(self, text: str, index: int) -> None:
        """Makes a new verb known, in its forms."""
        self._verbs[text] = index
        self._verbs.setdefault(gerund(text), index)

    def add_object(self, text: str, index: int) -> None:
        """Makes a new object known."""
        self._objects[text] = index

    def _read_phrase(self, phrase: str) -> HOIText:
        words, bare = _after_person(phrase)
        if words and words[-1] not in _DETERMINERS and _key(words) in self._phrases:
            return self._phrases[_key(words)]
        verb, determiner, obj = self._split(words)
        names_verb = bool(verb) and verb[0] not in _DETERMINERS  # 'a horse carrying a person'
        if not names_verb or obj == []:
            raise ValueError(
                f"{phrase!r} names no {'object' if names_verb else 'verb'}: write a phrase such as 'a person riding a horse', "
                'or (verb, object).'
            )
        plain = words == verb if obj is None else determiner in (None, *_ARTICLES)
        return HOIText(' '.join(verb), None if obj is None else ' '.join(obj), ' '.join(words), bare, plain)

    def _split(self, words: list[str]) -> tuple[list[str], str | None, list[str] | None]:
        """Verb, determiner and object; no object is None, one that should follow and does not is empty."""
        if words and words[-1] in _NO_OBJECT:
            return words[:-1], None, None
        places = [i for i, word in enumerate(words) if word in _DETERMINERS]
        if places:
            verb = words[: places[-1]]
            while verb and verb[-1] in _DETERMINERS:
                verb = verb[:-1]
            return verb, words[places[-1]], words[places[-1] + 1 :]
        start = self._split_without_determiner(words)
        return words[:start], None, words[start:] or None

    def _split_without_determiner(self, words: list[str]) -> int:
        """Where the object begins; at the end for a verb without object."""
        objects = [i for i in range(len(words)) if self.object_index(' '.join(words[i:])) is not None]
        verbs = [i for i in range(1, len(words) + 1) if self.verb_index(' '.join(words[:i])) is not None]
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


def _is_pair(entry: Any) -> bool:
    return (
        isinstance(entry, (tuple, list))
        and len(entry) == 2
        and isinstance(entry[0], str)
        and isinstance(entry[1], (str, type(None)))
    )


def _clean(text: str) -> str:
    """Lower case, single spaces for spaces and underscores, no punctuation around."""
    return ' '.join(text.lower().replace('_', ' ').split()).strip(' .,;:!?"\'')


def _after_person(phrase: str) -> tuple[list[str], bool]:
    """The words of a phrase after 'a photo of a person', and whether there is no person."""
    text = _PICTURE.sub('', _clean(phrase), count=1)
    person = _SUBJECT.match(text)
    return text[person.end() if person else 0 :].split(), person is None


def _key(words: list[str]) -> str:
    return ' '.join(word for word in words if word not in _ARTICLES)


def _before(words: list[str], obj: list[str]) -> str:
    """What a prompt says between the person and its object; empty where the prompt does not end in the object."""
    if words[-len(obj) :] != obj:
        return ''
    start = words[: -len(obj)]
    return ' '.join(start[:-1] if start and start[-1] in _ARTICLES else start)


def _verb_forms(text: str) -> Iterator[str]:
    """The verb itself, then with its first word as a gerund, then that of the word without the s of 'rides'."""
    text = _clean(text)
    yield text
    yield gerund(text)
    first, *rest = text.split()
    for base in _without_s(first):
        yield gerund(' '.join([base, *rest]))


def _object_forms(text: str) -> Iterator[str]:
    text = _clean(text)
    yield text
    yield from _without_s(text)
    if text == 'people':
        yield 'person'


def _without_s(word: str) -> Iterator[str]:
    if word.endswith('s') and not word.endswith('ss'):
        yield word[:-1]
        if word.endswith('es'):
            yield word[:-2]
        if word.endswith('ies'):
            yield word[:-3] + 'y'
