"""The style of the prompts of a vocabulary, for prompts of new classes in the same style."""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeVar

from .english import gerund, is_gerund, is_plural, with_article
from .hoi_vocabulary import HOIVocabulary

_T = TypeVar('_T')


@dataclass(frozen=True)
class PromptStyle:
    """The parts that prompts of HOI classes and objects consist of.

    Attributes:
        prefix (str): Text before the verb, e.g. ``'a photo of a person '``.
        object_prefix (str): Text before the object in object prompts, e.g. ``'a photo of '``.
        verbs (tuple[str]): Text of each verb before an object, e.g. ``'looking at'`` (V-COCO's ``look_obj``).
        objects (tuple[str]): Text of each object, e.g. ``'a umbrella'``.
        gerunds (bool): Whether verbs are in their -ing form.
        articles (bool): Whether objects have an article.
    """

    prefix: str
    object_prefix: str
    verbs: tuple[str, ...]
    objects: tuple[str, ...]
    gerunds: bool
    articles: bool

    @classmethod
    def of(cls, vocabulary: HOIVocabulary) -> 'PromptStyle':
        """Finds the style of a vocabulary's prompts. If they have no common style, it is that of the paper (Sec. 3.3)."""
        names = [name.replace('_', ' ') for name in vocabulary.object_names]
        classes = zip(vocabulary.hoi_prompts, vocabulary.hoi_verbs, vocabulary.hoi_objects, strict=True)
        with_object = [
            (verb, obj, *parts)
            for prompt, verb, obj in classes
            if obj < vocabulary.num_objects and (parts := _cut(prompt, names[obj]))
        ]
        phrases = vocabulary.verb_phrases
        prefix = _most_common(
            (start.removesuffix(phrases[verb]) for verb, _, start, _ in with_object if start.endswith(phrases[verb])),
            'a photo of a person ',
        )
        object_cuts = [parts for name, prompt in zip(names, vocabulary.object_prompts) if (parts := _cut(prompt, name))]
        articles = _most_common((end.startswith(('a ', 'an ')) for *_, end in with_object), True)
        return cls(
            prefix=prefix,
            object_prefix=_most_common((f'{start} '.lstrip() for start, _ in object_cuts), 'a photo of '),
            verbs=tuple(
                _most_common(
                    (s.removeprefix(prefix) for v, _, s, _ in with_object if v == i and s.startswith(prefix)), phrase
                )
                for i, phrase in enumerate(phrases)
            ),
            objects=tuple(
                _most_common((end for _, o, _, end in with_object if o == i), '')
                or (with_article(name) if articles else name)
                for i, name in enumerate(names)
            ),
            gerunds=sum(is_gerund(phrase.split(' ')[0]) for phrase in phrases) * 2 > len(phrases),
            articles=articles,
        )

    def verb(self, name: str) -> str:
        """Prompt text of a verb that is not in the vocabulary."""
        return gerund(name) if self.gerunds else name

    def object(self, name: str) -> str:
        """Prompt text of an object that is not in the vocabulary. A plural has no article: 'glasses'."""
        return with_article(name) if self.articles and not is_plural(name) else name


def _cut(prompt: str, name: str) -> tuple[str, str] | None:
    """The text before the object at the end of a prompt, and the object with its article."""
    match = re.fullmatch(rf'(.*?) ?\b((?:an? )?{re.escape(name)})', prompt)
    return match and (match[1], match[2])


def _most_common(values: Iterable[_T], default: _T) -> _T:
    counts = Counter(values).most_common(1)
    return counts[0][0] if counts else default
