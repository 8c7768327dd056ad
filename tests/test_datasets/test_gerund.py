import pytest

from genvlkt_mmdet.datasets.vocabulary import load_vocabulary
from genvlkt_mmdet.datasets.vocabulary.gerund import gerund, is_gerund


@pytest.mark.parametrize('name', ['hico', 'minihoi'])
def test_the_verbs_of_the_datasets(name):
    vocabulary = load_vocabulary(name)
    phrases = dict(zip(vocabulary.verb_names, vocabulary.verb_phrases, strict=True))
    phrases.pop('no_interaction', None)
    assert {verb: gerund(verb) for verb in phrases} == phrases


@pytest.mark.parametrize(
    ('verb', 'expected'),
    [
        ('stroke', 'stroking'),
        ('sleep', 'sleeping'),
        ('unzip', 'unzipping'),
        ('unload', 'unloading'),
        ('open', 'opening'),
        ('begin', 'beginning'),
        ('visit', 'visiting'),
        ('quit', 'quitting'),
        ('squat on', 'squatting on'),
        ('see', 'seeing'),
        ('dye', 'dyeing'),
        ('be', 'being'),
        ('fix', 'fixing'),
        ('draw', 'drawing'),
        ('play', 'playing'),
        ('bring', 'bringing'),
        ('swing', 'swinging'),
        ('ride', 'riding'),
        ('next_to', 'next to'),
        ('with', 'with'),
        ('', ''),
    ],
)
def test_other_verbs(verb, expected):
    assert gerund(verb) == expected
    assert gerund(expected) == expected


def test_words_that_only_look_like_it():
    assert [is_gerund(word) for word in ('riding', 'being', 'swing', 'ring', 'ride')] == [
        True,
        True,
        False,
        False,
        False,
    ]
