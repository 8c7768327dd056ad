import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genvlkt_mmdet.vocabulary import english, load_vocabulary, open_vocabulary
from genvlkt_mmdet.vocabulary.english import gerund, is_gerund, is_plural, plural, singular, with_article


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
        ('mimic', 'mimicking'),
        ('panic', 'panicking'),
        ('picnic on', 'picnicking on'),
        ('sync', 'syncing'),
        ('sit', 'sitting'),
        ('lie', 'lying'),
        ('tie', 'tying'),
        ('exit', 'exiting'),
        ('edit', 'editing'),
        ('control', 'controlling'),
        ('prefer', 'preferring'),
        ('taxi', 'taxiing'),
        ('canoe', 'canoeing'),
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


@pytest.mark.parametrize(
    'expected',
    [
        *(
            'a uniform',
            'a unicycle',
            'a unicorn',
            'a ukulele',
            'a european car',
            'a one-piece',
            'a hair drier',
            'a horse',
        ),
        *('an hourglass', 'an hour', 'an umbrella', 'an apple', 'an onion', 'an x-ray', 'an honest man', 'an okapi'),
    ],
)
def test_articles(expected):
    _, name = expected.split(' ', 1)
    assert with_article(name) == expected


def test_names_keep_their_spelling_behind_the_article():
    assert [with_article(name) for name in ('Tea_Cup', 'cell_phone', '', ' ', '日本')] == [
        'a Tea Cup',
        'a cell phone',
        'a ',
        'a  ',
        'a 日本',
    ]


def test_plurals():
    plurals = (
        'glasses',
        'scissors',
        'skis',
        'men',
        'people',
        'geese',
        'mice',
        'hot dogs',
        'wine glasses',
        'slices of pizza',
    )
    singulars = (
        'lens',
        'hourglass',
        'bus',
        'gas',
        'canvas',
        'glass',
        'cactus',
        'iris',
        'sheep',
        'horse',
        'glass of wine',
    )
    assert [word for word in plurals if not is_plural(word)] == []
    assert [word for word in singulars if is_plural(word)] == []


@pytest.mark.parametrize(
    ('many', 'one'),
    [
        *(('horses', 'horse'), ('knives', 'knife'), ('people', 'person'), ('hot dogs', 'hot dog'), ('buses', 'bus')),
        *(('rides', 'ride'), ('catches', 'catch'), ('flies', 'fly'), ('ties', 'tie'), ('washes', 'wash')),
    ],
)
def test_singulars_and_base_forms(many, one):
    assert singular(many) == one


def test_plural_of_a_word():
    assert plural('ski') == 'skis' and singular('ski') is None


def test_plural_of_symbols_is_no_error():
    for text in ('|', '< |\x85/', 'a|b'):
        assert plural(text) == f'{text}s'


@settings(max_examples=200, deadline=None)
@given(st.text())
def test_any_text_has_its_forms(text):
    assert with_article(text) in (f'a {text.replace("_", " ")}', f'an {text.replace("_", " ")}')
    assert isinstance(gerund(text), str)


def test_inflect_is_imported_only_when_it_is_needed(monkeypatch):
    """Its import takes seconds; known phrases and pairs do without."""
    english._engine.cache_clear()
    monkeypatch.setitem(sys.modules, 'inflect', None)  # importing it now fails
    hico = load_vocabulary('hico')
    open_vocabulary(hico, ['a person riding a horse', ('feed', 'giraffe'), 'a cyclist who is petting a cat'])
    with pytest.raises(ImportError):
        open_vocabulary(hico, ['a person riding an okapi'])


@pytest.mark.parametrize('text', ['-to-', '-', ' ', '', 'a--in-b', "s'--of-s", '|'])
def test_texts_that_inflect_cannot_take(text):
    assert singular(text) is None
    assert plural(text) == f'{text}s'
    assert not is_plural(text)
