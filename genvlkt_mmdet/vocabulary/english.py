"""English word forms: articles, singulars and plurals from `inflect`, and the -ing forms of verbs."""

import re
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import inflect

# Words that can follow 'a person' unchanged: 'a person with a hat', 'a person next to a car'.
PREPOSITIONS = frozenset((
    'about', 'above', 'across', 'against', 'along', 'among', 'and', 'around', 'as', 'at', 'behind', 'below',
    'beneath', 'beside', 'between', 'by', 'down', 'for', 'from', 'in', 'inside', 'into', 'near', 'next', 'of',
    'off', 'on', 'onto', 'out', 'outside', 'over', 'past', 'round', 'through', 'to', 'toward', 'towards', 'under',
    'up', 'upon', 'with', 'within',
))  # fmt: skip
# Stressed on the last syllable, which the spelling does not show. Other verbs of several syllables keep a single consonant.
_DOUBLING = frozenset((
    'admit', 'babysit', 'begin', 'commit', 'compel', 'control', 'equip', 'expel', 'forget', 'kidnap', 'occur', 'omit',
    'patrol', 'permit', 'prefer', 'program', 'propel', 'rebel', 'refer', 'regret', 'repel', 'submit', 'transmit', 'upset',
))  # fmt: skip
_VOWELS = 'aeiou'


@cache
def _engine() -> 'inflect.engine':
    # Not at the top: the import takes seconds, and most programs do not need it.
    import inflect

    return inflect.engine()


def with_article(name: str) -> str:
    """Adds the article to an object's name, as in prompts: ``'a cell phone'`` for ``'cell_phone'``."""
    name = name.replace('_', ' ')
    # inflect uses the sound of the first word: 'an hourglass', 'a uniform'. It refuses an empty text.
    article = _engine().a(name.split()[0]).split()[0] if name.strip() else 'a'
    return f'{article} {name}'


def _is_word(text: str) -> bool:
    """Whether inflect can take a text as a noun, also one of several words. It fails at '-to-' and ' '."""
    return re.fullmatch(r"[\w']+([ -][\w']+)*", text) is not None


def singular(word: str) -> str | None:
    """Singular of a plural noun, or base form of a verb with -s: 'horse' of 'horses', 'ride' of 'rides'. None for others.

    The result for other words in -s is not a word ('len' for 'lens'), so use it only to find known words.
    """
    return (_engine().singular_noun(word) or None) if _is_word(word) else None


def plural(word: str) -> str:
    """Plural of a singular noun: 'skis' of 'ski'. Any other text gets an s."""
    # inflect gives a symbol such as | a meaning of its own.
    return _engine().plural_noun(word) if _is_word(word) else f'{word}s'


def is_plural(name: str) -> bool:
    """Whether a noun is a plural, which has no article: 'glasses' and 'men' are plurals, 'lens' is not."""
    name = name.split(' of ')[0]  # 'slices of pizza'
    single = singular(name)
    if single is None or not name.endswith('s'):
        return single not in (None, name)
    # inflect turns 'lens' into 'lenses', but only adds an s to a plural.
    return plural(name) in (name, f'{name}s')


def gerund(verb: str) -> str:
    """Changes the first word of a verb to its -ing form. Gerunds and prepositions are not changed.

    The rules are our own, because inflect's ``present_participle`` writes 'openning', 'exitting' and 'controling'.

    Examples:
        >>> [gerund(verb) for verb in ('ride', 'hop_on', 'lie on', 'mimic', 'riding', 'swing', 'next to')]
        ['riding', 'hopping on', 'lying on', 'mimicking', 'riding', 'swinging', 'next to']
    """
    first, *rest = verb.replace('_', ' ').split() or ['']
    return ' '.join([_participle(first), *rest])


def is_gerund(word: str) -> bool:
    """Whether a word is an -ing form: 'riding' is one, 'swing' is not."""
    return word.endswith('ing') and bool(re.search('[aeiouy]', word[:-3]))


def _participle(word: str) -> str:
    if not word.isalpha() or is_gerund(word) or word in PREPOSITIONS:
        return word
    if word.endswith('ie'):
        return word[:-2] + 'ying'
    if word.endswith('e') and not word.endswith(('ee', 'oe', 'ye')) and len(word) > 2:
        return word[:-1] + 'ing'
    if re.search(f'[{_VOWELS}]c$', word):
        return word + 'king'
    return word + word[-1] * _doubles(word) + 'ing'


def _doubles(word: str) -> bool:
    """Whether the last consonant is doubled: after one short vowel in a stressed last syllable."""
    if word in _DOUBLING:
        return True
    spoken = word.replace('qu', 'q')  # the u of 'quit' is no vowel
    syllables = re.findall('[aeiouy]+', spoken.removeprefix('un') or spoken)
    closed = len(spoken) > 2 and spoken[-1] not in 'aeiouwxy' and spoken[-2] in _VOWELS and spoken[-3] not in _VOWELS
    return closed and len(syllables) == 1
