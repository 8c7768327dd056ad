import re
from ast import literal_eval
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genvlkt_mmdet.vocabulary import load_vocabulary, open_vocabulary, readings_table
from genvlkt_mmdet.vocabulary.prompt_style import PromptStyle

NAMES = ('hico', 'vcoco', 'minihoi')
WORDS = (
    *('a', 'the', 'his', 'person', 'photo', 'of', 'riding', 'ride', 'horse', 'hot', 'dog'),
    *('on', 'with', 'okapi', 'and', 'something', 'not', 'two', 'cyclist', 'glasses', 'who', 'is', 'quickly', 'today'),
)


def read(name, entry):
    """Verb, object, prompt and trained class of one entry, as names."""
    opened = open_vocabulary(load_vocabulary(name), [entry])
    vocabulary = opened.vocabulary
    obj = vocabulary.hoi_objects[0]
    return (
        vocabulary.verb_names[vocabulary.hoi_verbs[0]],
        vocabulary.object_names[obj] if obj < vocabulary.num_objects else None,
        vocabulary.hoi_prompts[0].removeprefix('a photo of a person '),
        opened.trained_hois[0],
    )


def pairs_of(vocabulary):
    return [
        (vocabulary.verb_names[v], vocabulary.object_names[o] if o < vocabulary.num_objects else None)
        for v, o in zip(vocabulary.hoi_verbs, vocabulary.hoi_objects, strict=True)
    ]


def without_articles(prompt):
    return re.sub(r'\b(a|an) ', '', prompt)


# What is known


@pytest.mark.parametrize('name', NAMES)
@pytest.mark.parametrize(
    'write',
    [
        pairs_of,
        lambda vocabulary: list(vocabulary.hoi_prompts),
        lambda vocabulary: [vocabulary.phrase(i) for i in range(vocabulary.num_hois)],
        lambda vocabulary: [f'  {p.upper()}. ' for p in vocabulary.hoi_prompts],
        lambda vocabulary: [without_articles(p) for p in vocabulary.hoi_prompts],
        lambda vocabulary: [
            p.replace('a photo of a person', 'Someone').replace(' ', '_') for p in vocabulary.hoi_prompts
        ],
        lambda vocabulary: [p.removeprefix('a photo of a person ') for p in vocabulary.hoi_prompts],
    ],
    ids=['pairs', 'prompts', 'phrases', 'capitals', 'no articles', 'someone', 'no person'],
)
def test_every_class_finds_itself(name, write):
    vocabulary = load_vocabulary(name)
    opened = open_vocabulary(vocabulary, write(vocabulary))
    assert opened.vocabulary == vocabulary
    assert opened.trained_hois == tuple(range(vocabulary.num_hois))
    assert opened.trained_objects == tuple(range(vocabulary.num_object_logits))


@settings(max_examples=50, deadline=None)
@given(data=st.data(), name=st.sampled_from(NAMES))
def test_any_classes_in_any_order(data, name):
    vocabulary = load_vocabulary(name)
    order = data.draw(st.lists(st.integers(0, vocabulary.num_hois - 1), min_size=1, max_size=20, unique=True))
    pairs, forms = pairs_of(vocabulary), (lambda i: pairs[i], lambda i: vocabulary.hoi_prompts[i], vocabulary.phrase)
    opened = open_vocabulary(vocabulary, [data.draw(st.sampled_from(forms))(i) for i in order])
    assert opened.trained_hois == tuple(order)
    for attribute in ('hoi_verbs', 'hoi_objects', 'hoi_ids', 'hoi_prompts'):
        whole = getattr(vocabulary, attribute)
        assert getattr(opened.vocabulary, attribute) == tuple(whole[i] for i in order)
    assert opened.vocabulary.object_prompts == vocabulary.object_prompts
    assert [order[i] for i in opened.vocabulary.rare] == [i for i in order if i in vocabulary.rare]
    for split in vocabulary.splits:
        assert [order[i] for i in opened.vocabulary.unseen(split)] == [
            i for i in order if i in vocabulary.unseen(split)
        ]


@pytest.mark.parametrize(
    ('name', 'entry', 'pair'),
    [
        ('hico', 'a person feeding a giraffe', ('feed', 'giraffe')),
        ('hico', 'person feeding giraffe', ('feed', 'giraffe')),
        ('hico', 'a man rides the horses', ('ride', 'horse')),
        ('hico', 'a woman who is riding her horse', ('ride', 'horse')),
        ('hico', 'people hugging people', ('hug', 'person')),
        ('hico', 'two young men riding horses', ('ride', 'horse')),
        ('hico', 'an image of the little girl who is feeding a giraffe', ('feed', 'giraffe')),
        ('hico', 'a person holding a person', ('hold', 'person')),
        ('hico', 'eat hot dog', ('eat', 'hot dog')),
        ('hico', 'A picture of a person holding cell_phones', ('hold', 'cell phone')),
        ('hico', 'a person catches a sports ball', ('catch', 'sports ball')),
        ('hico', ('riding', 'a horse'), ('ride', 'horse')),
        ('hico', ['Ride', 'Horse'], ('ride', 'horse')),
        ('hico', ('sit at', 'dining_table'), ('sit_at', 'dining table')),
        ('hico', ('no_interaction', 'car'), ('no_interaction', 'car')),
        ('hico', 'a person and a car', ('no_interaction', 'car')),
        ('hico', 'no interaction car', ('no_interaction', 'car')),
        # the person in other words
        ('hico', 'a cyclist riding a bicycle', ('ride', 'bicycle')),
        ('hico', 'cyclist riding bicycle', ('ride', 'bicycle')),
        ('hico', 'two firemen are holding a person', ('hold', 'person')),
        ('hico', 'a group of people riding an elephant', ('ride', 'elephant')),
        ('hico', 'the smiling woman holding a cup', ('hold', 'cup')),
        ('hico', 'a baby girl hugging a dog', ('hug', 'dog')),
        ('hico', 'a bus driver who drives a bus', ('drive', 'bus')),
        # objects in other words
        ('hico', 'riding 2 horses', ('ride', 'horse')),
        ('hico', 'cutting with knives', ('cut_with', 'knife')),
        ('hico', 'hugging someone', ('hug', 'person')),
        ('hico', 'holding a pair of scissors', ('hold', 'scissors')),
        ('hico', 'stops at stop signs', ('stop_at', 'stop sign')),
        ('hico', 'talking on a cell phone', ('talk_on', 'cell phone')),
        ('hico', 'a person sitting at the dining tables', ('sit_at', 'dining table')),
        ('vcoco', 'someone skateboards', ('skateboard_instr', None)),
        ('vcoco', ('hold', 'cup'), ('hold_obj', 'cup')),
        ('vcoco', ('cut with', 'fork'), ('cut_instr', 'fork')),
        ('vcoco', ('look at', 'tie'), ('look_obj', 'tie')),
        ('vcoco', 'talk on phone', ('talk_on_phone_instr', None)),
        ('vcoco', ('stand', None), ('stand', None)),
        ('vcoco', 'someone cutting with something', ('cut_instr', None)),
    ],
)
def test_other_words_for_known_classes(name, entry, pair):
    vocabulary = load_vocabulary(name)
    assert open_vocabulary(vocabulary, [entry]).trained_hois == (vocabulary.hoi_index(*pair),)


# What is new


@pytest.mark.parametrize(
    ('name', 'entry', 'verb', 'obj', 'words'),
    [
        # known verb and object that were no class together
        ('hico', ('eat', 'bicycle'), 'eat', 'bicycle', 'eating a bicycle'),
        ('hico', ('wash', 'umbrella'), 'wash', 'umbrella', 'washing a umbrella'),  # as HICO's prompts have it
        ('minihoi', 'kicking an umbrella', 'kick', 'umbrella', 'kicking an umbrella'),
        ('vcoco', ('look_obj', 'zebra'), 'look_obj', 'zebra', 'looking at a zebra'),
        ('vcoco', 'a person riding a cow', 'ride_instr', 'cow', 'riding a cow'),
        # new objects
        ('hico', ('ride', 'okapi'), 'ride', 'okapi', 'riding an okapi'),
        ('hico', ('no_interaction', 'okapi'), 'no_interaction', 'okapi', 'and an okapi'),
        ('hico', 'a person washing a police dog', 'wash', 'police dog', 'washing a police dog'),
        ('hico', 'person washing police car', 'wash', 'police car', 'washing a police car'),
        ('hico', 'holding a glass of wine', 'hold', 'glass of wine', 'holding a glass of wine'),
        ('hico', ('wear', 'glasses'), 'wear', 'glasses', 'wearing glasses'),
        ('hico', 'a person washing their hands', 'wash', 'hands', 'washing their hands'),
        ('vcoco', 'a person looking at an okapi', 'look_obj', 'okapi', 'looking at an okapi'),
        ('minihoi', 'jumping over sports car', 'jump_over', 'sports car', 'jumping over a sports car'),
        # new verbs
        ('minihoi', ('stroke', 'horse'), 'stroke', 'horse', 'stroking a horse'),
        ('minihoi', ('hop_on', 'bicycle'), 'hop on', 'bicycle', 'hopping on a bicycle'),
        ('minihoi', 'a person stroking the horse', 'stroking', 'horse', 'stroking a horse'),
        ('minihoi', 'a person stroking his horse', 'stroking', 'horse', 'stroking his horse'),
        ('minihoi', 'stroke two horses', 'stroke', 'horse', 'stroking two horses'),
        ('hico', 'a person riding on a horse', 'riding on', 'horse', 'riding on a horse'),
        ('hico', 'person riding on horse', 'riding on', 'horse', 'riding on a horse'),
        ('hico', 'a person taking pictures of zebras', 'taking pictures of', 'zebra', 'taking pictures of a zebra'),
        ('hico', 'a person dressed as a clown', 'dressed as', 'clown', 'dressed as a clown'),
        # new verbs and objects
        ('minihoi', 'a person feeding a giraffe', 'feeding', 'giraffe', 'feeding a giraffe'),
        ('minihoi', 'person playing electric guitar', 'playing', 'electric guitar', 'playing an electric guitar'),
        ('hico', 'a person with a hat', 'with', 'hat', 'with a hat'),
        ('minihoi', 'eating hot dog', 'eating', 'hot dog', 'eating a hot dog'),
        # words whose article or form is irregular
        ('hico', ('wear', 'uniform'), 'wear', 'uniform', 'wearing a uniform'),
        ('hico', 'riding unicycle', 'ride', 'unicycle', 'riding a unicycle'),
        ('hico', ('hold', 'hourglass'), 'hold', 'hourglass', 'holding an hourglass'),
        ('hico', ('clean', 'lens'), 'clean', 'lens', 'cleaning a lens'),
        ('hico', 'mimic a dog', 'mimic', 'dog', 'mimicking a dog'),
        ('hico', ('panic', 'horse'), 'panic', 'horse', 'panicking a horse'),
        # words that look like a place, a time or a second verb
        ('hico', 'sitting on a round table', 'sit_on', 'round table', 'sitting on a round table'),
        ('hico', 'holding a butterfly', 'hold', 'butterfly', 'holding a butterfly'),
        (
            'hico',
            'using an electric sewing machine',
            'using',
            'electric sewing machine',
            'using an electric sewing machine',
        ),
        ('hico', 'a person in front of a bus', 'in front of', 'bus', 'in front of a bus'),
        ('hico', 'picking up a box', 'pick_up', 'box', 'picking up a box'),
        ('hico', 'a person carried by a horse', 'carried by', 'horse', 'carried by a horse'),
        # without object
        ('vcoco', ('sleep', None), 'sleep', None, 'sleeping'),
        ('vcoco', 'a person sleeping', 'sleeping', None, 'sleeping'),
        ('vcoco', 'sit down', 'sit down', None, 'sitting down'),
        ('vcoco', 'a person painting something', 'painting', None, 'painting something'),
    ],
)
def test_new_classes(name, entry, verb, obj, words):
    assert read(name, entry) == (verb, obj, words, None)


def test_new_objects_stand_before_nothing():
    hois = [('ride', 'okapi'), ('ride', 'horse'), 'a person feeding an okapi', 'person stroking unicorn']
    hico, vcoco = load_vocabulary('hico'), load_vocabulary('vcoco')
    opened = open_vocabulary(hico, hois)
    assert opened.vocabulary.object_names == (*hico.object_names, 'okapi', 'unicorn')
    assert opened.vocabulary.hoi_objects == (80, hico.object_names.index('horse'), 80, 81)
    assert opened.vocabulary.object_prompts[79:] == (
        'a photo of a toothbrush',
        'a photo of an okapi',
        'a photo of a unicorn',
        'a photo of nothing',
    )
    assert opened.trained_objects == (*range(80), None, None, 80)
    assert opened.trained_hois == (None, hico.hoi_index('ride', 'horse'), None, None)
    assert opened.vocabulary.verb_names == (*hico.verb_names, 'stroking')
    assert opened.vocabulary.hoi_verbs[:3] == tuple(hico.verb_names.index(v) for v in ('ride', 'ride', 'feed'))
    # ids stay those of the files; new ones are free ones
    assert opened.vocabulary.hoi_ids == (601, hico.hoi_ids[opened.trained_hois[1]], 602, 603)
    assert opened.vocabulary.object_ids[78:] == (*hico.object_ids[78:], 91, 92)

    opened = open_vocabulary(vcoco, [*hois, ('stand', None)])
    assert opened.vocabulary.object_prompts[80:] == (
        'a photo of a person and an okapi',
        'a photo of a person and a unicorn',
        'a photo of a person only',
        'a photo of nothing',
    )
    assert opened.trained_objects == (*range(80), None, None, 80, 81)
    assert opened.vocabulary.no_object == 82 == opened.vocabulary.hoi_objects[-1]
    assert opened.vocabulary.has_no_object
    assert load_vocabulary(opened.vocabulary.to_dict()) == opened.vocabulary


def test_nothing_new_was_seen_in_training():
    minihoi = load_vocabulary('minihoi')
    opened = open_vocabulary(minihoi, [('feed', 'horse'), ('ride', 'horse'), *pairs_of(minihoi)[2:]])
    for split in minihoi.splits:
        assert 0 in opened.vocabulary.unseen(split)
        assert (1 in opened.vocabulary.unseen(split)) == (0 in minihoi.unseen(split))
    assert 0 not in opened.vocabulary.rare


def test_verb_named_twice_is_one_verb():
    opened = open_vocabulary(
        load_vocabulary('minihoi'), [('stroke', 'horse'), 'a person stroking a dog', ('strokes', 'cat')]
    )
    assert len(set(opened.vocabulary.hoi_verbs)) == 1
    assert opened.vocabulary.verb_names[-1] == 'stroke' and opened.vocabulary.verb_phrases[-1] == 'stroking'
    assert opened.vocabulary.hoi_prompts[-1] == 'a photo of a person stroking a cat'


def documented(kind='read'):
    """A table of docs/open_vocabulary.md: of phrases that are read, or of those that are refused."""
    page = (Path(__file__).parents[2] / 'docs' / 'open_vocabulary.md').read_text(encoding='utf-8')
    rows = [
        [cell.strip() for cell in line.strip('|').split('|')] for line in page.splitlines() if line.startswith('| `')
    ]
    rows = [row for row in rows if (len(row) == 2) == (kind == 'refused')]
    return [(literal_eval(e.strip('`')) if e.startswith('`(') else e.strip('`'), *rest) for e, *rest in rows]


def test_the_documentation_is_right():
    rows = documented()
    assert len(rows) == 20
    hico = load_vocabulary('hico')
    for entry, *expected in rows:
        (reading,) = open_vocabulary(hico, [entry]).readings
        words = reading.prompt.removeprefix('a photo of a person ')
        assert [reading.verb, reading.obj, words, reading.status] == expected


def test_the_documented_refusals_are_right():
    rows = documented('refused')
    assert len(rows) == 14
    for entry, reason in rows:
        with pytest.raises(ValueError, match=reason):
            open_vocabulary(load_vocabulary('hico'), [entry])


# What was read


def test_readings_name_what_is_new():
    hois = ['a person riding a horse', ('ride', 'toaster'), 'stroke a cat', ('feed', 'okapi'), 'drawing a unicorn']
    opened = open_vocabulary(load_vocabulary('hico'), hois)
    assert [reading.entry for reading in opened.readings] == hois
    assert [reading.status for reading in opened.readings] == [
        'known',
        'new combination',
        'new verb',
        'new object',
        'new verb and object',
    ]
    assert [reading.known for reading in opened.readings] == [True, False, False, False, False]
    assert tuple(reading.prompt for reading in opened.readings) == opened.vocabulary.hoi_prompts
    (alone,) = open_vocabulary(load_vocabulary('vcoco'), ['someone sleeping']).readings
    assert (alone.verb, alone.obj, alone.status) == ('sleeping', None, 'new verb')


def test_readings_as_a_table():
    opened = open_vocabulary(load_vocabulary('vcoco'), [('stand', None), ('ride', 'okapi')])
    rows = [line.strip('| ').split('|') for line in readings_table(opened.readings).splitlines() if '|' in line]
    assert [[cell.strip() for cell in row] for row in rows] == [
        ['verb', 'object', 'prompt', 'status'],
        ['stand', '-', 'a photo of a person standing', 'known'],
        ['ride_instr', 'okapi', 'a photo of a person riding an okapi', 'new object'],
    ]


@pytest.mark.parametrize('name', NAMES)
def test_a_prompt_is_read_as_the_pair_that_it_was_made_of(name):
    """All verbs with all objects, most of which are no class, and some objects that are new."""
    vocabulary = load_vocabulary(name)
    objects = (*vocabulary.object_names, 'okapi', 'uniform', 'hourglass', 'lens', 'sunglasses', 'geese', 'traffic cone')
    pairs = [(verb, obj) for verb in vocabulary.verb_names for obj in objects]
    opened = open_vocabulary(vocabulary, pairs)
    again = open_vocabulary(vocabulary, opened.vocabulary.hoi_prompts)
    assert (
        [(reading.verb, reading.obj) for reading in again.readings]
        == [(reading.verb, reading.obj) for reading in opened.readings]
        == pairs
    )
    assert again.vocabulary.hoi_prompts == opened.vocabulary.hoi_prompts


# Wording


def test_prompts_follow_a_vocabulary_of_ones_own():
    own = load_vocabulary(
        dict(
            name='own',
            objects=['person', 'tea_cup', 'onion'],
            verbs=['hold', dict(name='cut', phrase='cut up')],
            hois=[
                dict(verb='hold', object='tea_cup', prompt='somebody hold tea cup'),
                dict(verb='cut', object='onion', prompt='somebody cut up onion'),
                dict(verb='hold', object='onion', prompt='hands around onion'),
            ],
            object_prompts=['person', 'tea cup', 'onion', 'nothing'],
        )
    )
    style = PromptStyle.of(own)
    assert (style.prefix, style.object_prefix, style.gerunds, style.articles) == ('somebody ', '', False, False)
    opened = open_vocabulary(
        own, [('cut', 'tea_cup'), ('smell', 'egg'), 'hands around an onion', 'cut up a tea cup'][:3]
    )
    assert opened.vocabulary.hoi_prompts == ('somebody cut up tea cup', 'somebody smell egg', 'hands around onion')
    assert opened.vocabulary.object_prompts == ('person', 'tea cup', 'onion', 'egg', 'nothing')
    assert opened.trained_hois == (None, None, 2)
    with pytest.raises(ValueError, match="'cut up a tea cup' and .'cut', 'tea_cup'. are the same class"):
        open_vocabulary(own, [('cut', 'tea_cup'), 'cut up a tea cup'])


def test_names_with_capitals_and_underscores():
    own = load_vocabulary(
        dict(
            objects=['Person', 'Tea_Cup'],
            verbs=[dict(name='Pick_Up', phrase='picking up'), dict(name='Wave', phrase='waving')],
            hois=[dict(verb='Pick_Up', object='Tea_Cup'), dict(verb='Wave')],
        )
    )
    for entries in (pairs_of(own), list(own.hoi_prompts), ['someone picks up the tea cups', ('wave', None)]):
        assert open_vocabulary(own, entries).vocabulary == own
    opened = open_vocabulary(own, ['pick up a Glass'])
    assert opened.vocabulary.hoi_prompts == ('a photo of a person picking up a glass',)


def test_prompts_without_a_common_wording_give_the_papers():
    minihoi = load_vocabulary('minihoi')
    odd = replace(
        minihoi,
        hoi_prompts=tuple(f'class {i}' for i in range(46)),
        object_prompts=tuple(f'thing {i}' for i in range(11)),
    )
    opened = open_vocabulary(odd, ['a person riding a ball', ('feed', 'ostrich'), ('ride', 'horse')])
    assert opened.vocabulary.hoi_prompts == (
        'a photo of a person riding a ball',
        'a photo of a person feeding an ostrich',
        'class 0',
    )
    assert opened.vocabulary.object_prompts[-2:] == ('a photo of an ostrich', 'thing 10')


# Mistakes


@pytest.mark.parametrize(
    ('name', 'hois', 'message'),
    [
        ('hico', [], 'a list of at least one phrase'),
        ('hico', 'riding a horse', 'a list of at least one phrase'),
        ('hico', [''], "'' names no verb"),
        ('hico', [' . '], "' . ' names no verb"),
        ('hico', ['a person'], "'a person' names no verb"),
        ('hico', ['a photo of a person'], "'a photo of a person' names no verb"),
        ('hico', ['horse'], "'horse' names no verb"),
        ('hico', ['hot dog'], "'hot dog' names no verb"),
        ('hico', ['a horse'], "'a horse' names no verb"),
        ('hico', ['a horse carrying a person'], "'a horse carrying a person' names no verb"),
        ('hico', None, 'a list of at least one phrase'),
        ('vcoco', ('ride', 'horse'), "'horse' names no verb"),  # a pair for a list of pairs
        ('hico', ['riding a'], "'riding a' names no object: write a phrase such as 'a person riding a horse'"),
        ('vcoco', ['riding a'], "'riding a' names no object"),
        ('hico', ['sleeping'], "'sleeping' names no object, and vocabulary 'hico' has no interactions without one"),
        ('hico', ['a person sitting down'], "'a person sitting down' names no object"),
        ('hico', [('stand', None)], r"\('stand', None\) names no object"),
        ('hico', [('', 'horse')], r"\('', 'horse'\) lacks its verb"),
        ('hico', [('ride', ' ')], r"\('ride', ' '\) lacks its object"),
        ('hico', [('ride', 'the')], r"\('ride', 'the'\) lacks its object"),
        ('hico', [('ride', 'a', 'horse')], r"\('ride', 'a', 'horse'\) is neither a phrase nor a \(verb, object\) pair"),
        ('hico', [3], '3 is neither a phrase nor'),
        ('hico', [(None, 'horse')], r"\(None, 'horse'\) is neither a phrase nor"),
        ('hico', [('ride', 17)], r"\('ride', 17\) is neither a phrase nor"),
        (
            'hico',
            ['a person riding a horse on the beach'],
            "ambiguous, because 'riding a horse on' is not clearly one verb",
        ),
        ('hico', ['riding horse on beach'], "ambiguous, because 'horse on beach' is not clearly one object"),
        ('hico', ['riding a horse in the rain'], "ambiguous, because 'riding a horse in' is not clearly one verb"),
        ('hico', ['a person riding in the rain'], "ambiguous, because 'rain' is not clearly one object"),
        ('hico', ['riding a horse at night'], "ambiguous, because 'horse at night'"),
        ('hico', ['riding a horse today'], "ambiguous, because 'horse today'"),
        ('hico', ['riding a horse slowly'], "ambiguous, because 'horse slowly'"),
        ('hico', ['a person quickly riding a horse'], "ambiguous, because 'quickly riding'"),
        ('hico', ['riding quickly'], "ambiguous, because 'quickly'"),
        ('hico', ['sitting on a chair at the table'], "ambiguous, because 'sitting on a chair at'"),
        ('hico', ['holding a cup in his hand'], "ambiguous, because 'holding a cup in'"),
        ('hico', ['feeding a dog a bone'], "ambiguous, because 'feeding a dog'"),
        ('hico', ['picking a box up'], "ambiguous, because 'box up'"),
        ('hico', ['taking a picture of a zebra'], "ambiguous, because 'taking a picture of'"),
        ('hico', ['playing fetch with a dog'], "ambiguous, because 'playing fetch with'"),
        ('hico', ['a woman in red riding a horse'], "ambiguous, because 'in red riding'"),
        ('hico', ['a man with a hat riding a bike'], "ambiguous, because 'with a hat riding'"),
        ('hico', ['a person being kicked by a horse'], "ambiguous, because 'being kicked by'"),
        ('hico', ['watching a dog sleeping'], "ambiguous, because 'dog sleeping'"),
        ('hico', ['riding horse holding flag'], "ambiguous, because 'horse holding flag'"),
        ('hico', ['not riding'], "says by 'not' that something is absent"),
        ('hico', ["a person isn't riding a horse"], "says by \"isn't\"|says by 'isn't'"),
        ('hico', ['nobody riding a horse'], "says by 'nobody'"),
        ('hico', ['a person without a hat'], "says by 'without'"),
        ('hico', ['no interaction with a car'], "says by 'no'"),
        ('hico', ['riding and holding a bike'], "joins several things by 'and'"),
        ('hico', ['riding a horse or a cow'], "joins several things by 'or'"),
        ('hico', ['riding a horse, holding a flag'], "joins several things by ','"),
        ('hico', ['a man and a woman riding a horse'], "joins several things by 'and'"),
        ('minihoi', ['a person and a horse'], "joins several things by 'and'"),
        ('hico', ['a dog riding a skateboard'], "names no verb of a person, since 'a dog' is not known to be one"),
        ('hico', ['dog riding skateboard'], "names no verb of a person, since 'dog' is not known to be one"),
        ('hico', ['a horse ridden by a person'], 'names no verb'),
        ('hico', ['horse riding'], 'names no verb'),
        ('hico', ['who'], 'names no verb'),
        ('hico', ['a' * 100_000], r"^'a{40}'\.\.\. has 100,000 characters, but a phrase has at most 300"),
        ('hico', [('ride', 'a' * 100_000)], 'but a phrase has at most 300'),
        ('hico', ['riding it'], 'names no object'),
        ('hico', ['hugging each other'], 'names no object'),
        ('hico', ['riding something big'], 'names no object'),
        (
            'hico',
            [('ride', 'horse'), 'feeding a horse', 'A person riding horses'],
            r"'A person riding horses' and \('ride', 'horse'\) are the same class: name it once",
        ),
        ('hico', ['riding an okapi', ('ride', 'okapi')], r"\('ride', 'okapi'\) and 'riding an okapi' are the same"),
    ],
)
def test_mistakes_are_one_sentence(name, hois, message):
    with pytest.raises(ValueError, match=message) as caught:
        open_vocabulary(load_vocabulary(name), hois)
    assert '\n' not in str(caught.value)


@settings(max_examples=300, deadline=None)
@given(
    name=st.sampled_from(NAMES),
    phrase=st.one_of(
        st.text(), st.lists(st.one_of(st.sampled_from(WORDS), st.text(max_size=9)), max_size=7).map(' '.join)
    ),
)
def test_any_text_is_a_class_or_a_clear_refusal(name, phrase):
    vocabulary = load_vocabulary(name)
    try:
        opened = open_vocabulary(vocabulary, [phrase])
    except ValueError as error:
        assert repr(phrase) in str(error) and '\n' not in str(error)
        return
    result = opened.vocabulary
    assert load_vocabulary(result.to_dict()) == result  # indices are consistent
    assert result.num_object_logits == len(opened.trained_objects)
    known = opened.trained_hois[0]
    assert known is None or result.hoi_prompts[0] == vocabulary.hoi_prompts[known]
