"""From a verb's name to the form that completes 'a person ...'."""

import re

# Words that stand beside 'a person' as they are: 'a person with a hat', 'a person next to a car'.
PREPOSITIONS = frozenset((
    'about', 'above', 'across', 'against', 'along', 'among', 'and', 'around', 'as', 'at', 'behind', 'below',
    'beneath', 'beside', 'between', 'by', 'down', 'for', 'from', 'in', 'inside', 'into', 'near', 'next', 'of',
    'off', 'on', 'onto', 'out', 'outside', 'over', 'past', 'round', 'through', 'to', 'toward', 'towards', 'under',
    'up', 'upon', 'with', 'within',
))  # fmt: skip
# Stressed on the last syllable, which spelling does not tell; any other verb of several syllables keeps its consonant single.
_DOUBLING = frozenset((
    'admit', 'begin', 'commit', 'compel', 'control', 'forget', 'permit', 'prefer', 'refer', 'regret', 'repel',
    'submit', 'transmit', 'upset',
))  # fmt: skip
_VOWELS = 'aeiou'


def gerund(verb: str) -> str:
    """Puts the first word of a verb into its -ing form.

    Args:
        verb (str): Base form, further words after it, e.g. ``'hop_on'``. What is a gerund or a preposition already stays.

    Returns:
        str: E.g. ``'hopping on'``.

    Examples:
        >>> [gerund(verb) for verb in ('ride', 'hop_on', 'lie on', 'riding', 'swing', 'next to')]
        ['riding', 'hopping on', 'lying on', 'riding', 'swinging', 'next to']
    """
    first, *rest = verb.replace('_', ' ').split() or ['']
    return ' '.join([_inflect(first), *rest])


def is_gerund(word: str) -> bool:
    """Whether a word is an -ing form: 'riding' is one, 'swing' is not."""
    return word.endswith('ing') and bool(re.search('[aeiouy]', word[:-3]))


def _inflect(word: str) -> str:
    if not word.isalpha() or is_gerund(word) or word in PREPOSITIONS:
        return word
    if word.endswith('ie'):
        return word[:-2] + 'ying'
    if word.endswith('e') and not word.endswith(('ee', 'oe', 'ye')) and len(word) > 2:
        return word[:-1] + 'ing'
    return word + word[-1] * _doubles(word) + 'ing'


def _doubles(word: str) -> bool:
    """Whether the last consonant is written twice: after one short vowel in a stressed last syllable."""
    if word in _DOUBLING:
        return True
    spoken = word.replace('qu', 'q')  # the u of 'quit' is no vowel
    syllables = re.findall('[aeiouy]+', spoken.removeprefix('un') or spoken)
    closed = len(spoken) > 2 and spoken[-1] not in 'aeiouwxy' and spoken[-2] in _VOWELS and spoken[-3] not in _VOWELS
    return closed and len(syllables) == 1
