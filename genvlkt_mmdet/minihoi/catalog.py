"""Frequencies of the HOI classes: the long tail of MiniHOI's training split."""

from functools import lru_cache

from ..vocabulary import HOIVocabulary, load_vocabulary

RARE_BELOW = 80
"""A class with fewer instances in the training split (6,000 images) is rare."""

TRAIN_FREQUENCY: dict[str, dict[str, int]] = {
    'ride': dict(horse=600, bicycle=480, car=240, sheep=160, dog=60, suitcase=45),
    'hold': dict(umbrella=520, ball=420, suitcase=260, chair=170, dog=150, sheep=60),
    'lift': dict(suitcase=360, ball=300, chair=220, dog=160, bicycle=150, umbrella=50),
    'kick': dict(ball=620, suitcase=180, car=150, bicycle=55, chair=50),
    'push': dict(car=420, suitcase=320, chair=200, bicycle=160, horse=60, ball=55),
    'pull': dict(dog=480, suitcase=300, horse=260, sheep=190, car=60),
    'jump_over': dict(sheep=300, chair=180, ball=170, dog=160, suitcase=60, bicycle=45),
    'wash': dict(car=460, horse=240, dog=220, bicycle=150, sheep=150, umbrella=45),
}
"""Approximate number of instances of each HOI class in the training split."""

COMBINED_VERBS: tuple[tuple[str, str], ...] = (('hold', 'wash'), ('kick', 'push'), ('kick', 'wash'))
"""Verbs of one pair that are possible at the same time."""

COMBINED_SHARE = 0.2
"""Share of the instances of the rarer class of such a combination that also have the other class."""

TWO_HANDED: dict[str, tuple[str, ...]] = {'hold': ('ride', 'pull', 'kick', 'wash'), 'lift': ('kick',)}
"""Verbs of a person's second pair, each with the possible verbs of the first pair."""


@lru_cache(maxsize=1)
def vocabulary() -> HOIVocabulary:
    """The MiniHOI vocabulary."""
    return load_vocabulary('minihoi')


@lru_cache(maxsize=2)
def label_sets(long_tail: bool) -> tuple[tuple[tuple[int, ...], ...], tuple[float, ...]]:
    """The sets of HOI classes that a pair can have, and their probabilities.

    Combinations do not change the frequency of a class.

    Args:
        long_tail (bool): Whether classes are as frequent as in :data:`TRAIN_FREQUENCY`, or all equally frequent.

    Returns:
        tuple: The sets, each with one or two HOI indices of one object, and the probability of each set.
    """
    vocab = vocabulary()
    weights = {}
    for index, (v, o) in enumerate(zip(vocab.hoi_verbs, vocab.hoi_objects, strict=True)):
        frequency = TRAIN_FREQUENCY[vocab.verb_names[v]][vocab.object_names[o]]
        weights[index] = float(frequency) if long_tail else 1.0
    sets = {(index,): weight for index, weight in weights.items()}
    for obj in range(vocab.num_objects):
        for verbs in COMBINED_VERBS:
            try:
                pair = tuple(sorted(vocab.hoi_index(verb, obj) for verb in verbs))
            except KeyError:  # the object lacks one of the classes
                continue
            share = COMBINED_SHARE * min(weights[i] for i in pair)
            sets[pair] = share
            for i in pair:
                sets[(i,)] -= share
    total = sum(sets.values())
    return tuple(sets), tuple(weight / total for weight in sets.values())
