import copy

import pytest

from genvlkt_mmdet.vocabulary import load_vocabulary

YAML = """
name: kitchen
objects: [person, cup, onion]
verbs:
- {name: hold, phrase: holding}
- {name: cut, phrase: cutting}
- stand_up
hois:
- {verb: hold, object: cup}
- {verb: cut, object: onion, prompt: a photo of somebody chopping an onion}
- {verb: hold, object: onion}
rare: [{verb: cut, object: onion}]
splits:
  no_onion: [1, {verb: hold, object: onion}]
"""


@pytest.fixture
def short(tmp_path):
    (tmp_path / 'kitchen.yaml').write_text(YAML)
    return tmp_path / 'kitchen.yaml'


def test_yaml_is_filled_up(short):
    vocabulary = load_vocabulary(short)
    assert vocabulary.object_names == ('person', 'cup', 'onion') and vocabulary.object_ids == (1, 2, 3)
    assert vocabulary.verb_phrases == ('holding', 'cutting', 'stand up') and vocabulary.verb_ids == (1, 2, 3)
    assert vocabulary.hoi_ids == (1, 2, 3)
    assert vocabulary.hoi_verbs == (0, 1, 0) and vocabulary.hoi_objects == (1, 2, 2)
    assert vocabulary.hoi_prompts == (
        'a photo of a person holding a cup',
        'a photo of somebody chopping an onion',
        'a photo of a person holding an onion',
    )
    assert vocabulary.object_prompts == (
        'a photo of a person',
        'a photo of a cup',
        'a photo of an onion',
        'a photo of nothing',
    )
    assert vocabulary.rare == (1,) and vocabulary.unseen('no_onion') == (1, 2)
    assert not vocabulary.has_no_object
    assert load_vocabulary(vocabulary.to_dict()) == vocabulary


def test_verb_without_object(short):
    short.write_text(YAML.replace('rare:', '- {verb: stand_up}\nrare:'))
    vocabulary = load_vocabulary(str(short))
    assert vocabulary.has_no_object and vocabulary.hoi_objects[3] == vocabulary.no_object == 3
    assert vocabulary.hoi_prompts[3] == 'a photo of a person stand up'
    assert vocabulary.object_prompts[-2:] == ('a photo of a person only', 'a photo of nothing')


@pytest.mark.parametrize('name', ['hico', 'vcoco', 'minihoi'])
def test_shipped_vocabularies_are_full_already(name):
    vocabulary = load_vocabulary(name)
    full = vocabulary.to_dict()
    assert load_vocabulary(copy.deepcopy(full)) == vocabulary


@pytest.mark.parametrize(
    'edit, message',
    [
        (lambda d: d.pop('verbs'), "'kitchen' lacks 'verbs'"),
        (lambda d: d.update(hois=[]), "'kitchen' lacks 'hois'"),
        (lambda d: d.update(objects='cup'), "'objects' must be a list"),
        (lambda d: d['objects'].append('cup'), "name in 'objects' 'cup' is given twice"),
        (lambda d: d['objects'].append(dict(name='pan', id=2)), "id in 'objects' 2 is given twice"),
        (lambda d: d['objects'].append(3), "entry 3 of 'objects' needs a name"),
        (lambda d: d['hois'].append(dict(verb='fry', object='onion')), "verb 'fry' of an HOI class is not among"),
        (
            lambda d: d['hois'].append(dict(verb='cut', object='onion')),
            'HOI classes 1 and 3 are both verb 1 with object 2',
        ),
        (lambda d: d['hois'].append(dict(object='onion')), 'HOI class 3 needs `verb`'),
        (lambda d: d['hois'].append(dict(verb=0, object=9)), 'HOI class 3 names verb 0 and object 9'),
        (lambda d: d.update(rare=[dict(verb='cut', object='cup')]), 'in `rare` or `splits` is none of its HOI classes'),
        (lambda d: d.update(object_prompts=['x']), 'object_prompts needs one entry per object'),
        (lambda d: d.update(object_prompts='abcd'), "'kitchen': 'object_prompts' must be a list"),
        (lambda d: d.update(object_prompts=[1, 2, 3, 4]), "entry of 'object_prompts' must be a text, not 1"),
        (lambda d: d.update(name=3), 'name of a vocabulary must be a text, not 3'),
        (lambda d: d['objects'].append(''), "entry 3 of 'objects' needs a name"),
        (
            lambda d: d['objects'].append(dict(name='pan', id=1e23)),
            r"id of entry 3 of 'objects' must be a whole .* not 1e\+23",
        ),
        (lambda d: d['verbs'].append(dict(name='fry', id=float('nan'))), "id of entry 3 of 'verbs' .* not nan"),
        (lambda d: d['verbs'].append(dict(name='fry', id=-1)), "id of entry 3 of 'verbs' .* not -1"),
        (
            lambda d: d['verbs'].append(dict(name='fry', id=2**63)),
            "id of entry 3 of 'verbs' must be a whole number from 0",
        ),
        (lambda d: d['verbs'].append(dict(name='fry', phrase=['x'])), "phrase of verb 'fry' must be a text"),
        (lambda d: d['hois'][0].update(id=True), 'id of HOI class 0 .* not True'),
        (lambda d: d['hois'][0].update(id='7'), "id of HOI class 0 .* not '7'"),
        (lambda d: d['hois'][0].update(id=[1]), r'id of HOI class 0 .* not \[1\]'),
        (lambda d: d['hois'][0].update(prompt=5), 'prompt of HOI class 0 must be a text, not 5'),
        (lambda d: d['hois'][0].update(verb=True), 'verb True of an HOI class is not among its verbs'),
        (lambda d: d['hois'][0].update(verb=0.0), 'verb 0.0 of an HOI class is not among its verbs'),
        (lambda d: d.update(splits='no_onion'), "'splits' must map names of splits to lists of HOI classes"),
        (lambda d: d.update(splits=[1]), "'splits' must map names of splits to lists of HOI classes"),
        (lambda d: d.update(splits={1: [0]}), "'splits' must map names of splits to lists of HOI classes"),
        (lambda d: d.update(splits=dict(no_onion='01')), "'no_onion' must be a list"),
        (lambda d: d.update(splits=dict(no_onion=[1.0])), '1.0 in `rare` or `splits` is neither the index'),
        (lambda d: d.update(rare='onion'), "'rare' must be a list"),
        (lambda d: d.update(rare=['onion']), "'onion' in `rare` or `splits` is neither the index"),
    ],
)
def test_mistakes(edit, message):
    import yaml

    data = yaml.safe_load(YAML)
    edit(data)
    with pytest.raises(ValueError, match=message) as caught:
        load_vocabulary(data)
    assert '\n' not in str(caught.value)


def test_file_that_does_not_parse(tmp_path):
    (tmp_path / 'v.yaml').write_text('objects: [')
    with pytest.raises(ValueError, match=r"v.yaml' does not parse") as error:
        load_vocabulary(tmp_path / 'v.yaml')
    assert '\n' not in str(error.value)
    (tmp_path / 'w.yaml').write_text('- a')
    with pytest.raises(ValueError, match='must hold a mapping'):
        load_vocabulary(tmp_path / 'w.yaml')


@pytest.mark.parametrize(
    ('file', 'content', 'message'),
    [
        ('v.yaml', b'objects: [\xff\xfe]', 'is no text in UTF-8'),
        ('v.json', b'{"objects": ["caf\xe9"]}', 'is no text in UTF-8'),
        ('v.json', b'{"objects": [{"id": ' + 5000 * b'9' + b'}]}', 'does not parse: Exceeds the limit'),
        ('v.yaml', b'objects: [{id: ' + 5000 * b'9' + b'}]', 'does not parse: Exceeds the limit'),
        ('v.json', 100_000 * b'[', 'does not parse: it is nested too deeply'),
        ('v.json', b'{"a": ' * 100_000, 'does not parse: it is nested too deeply'),
        ('v.yaml', 5_000 * b'[', 'does not parse: it is nested too deeply'),
        (
            'v.yaml',
            b'objects: !!python/object/apply:os.system ["touch pwned"]',
            'does not parse: could not determine a cons',
        ),
        ('v.yaml', b'objects: !!timestamp x', 'does not parse'),
        ('v.yaml', b'objects: !!bool x', 'does not parse'),
        ('v.yaml', b'objects: !!int x', 'does not parse'),
        ('v.yaml', b'objects: 2020-99-99', 'does not parse'),
        ('v.yaml', b'objects: \0', 'does not parse'),
        ('v.yaml', b'', "must hold a mapping with 'objects'"),
        (
            'v.json',
            b'{"objects": [NaN], "verbs": ["ride"], "hois": [{"verb": 0}]}',
            "entry 0 of 'objects' needs a name",
        ),
        ('v.json', b'{"objects": ["cup"], "verbs": ["ride"], "hois": [{"verb": 0, "id": 1e23}]}', 'id of HOI class 0'),
        ('v.json', b'{"objects": ["cup"], "verbs": ["ride"], "hois": [{"verb": 0, "id": NaN}]}', 'id of HOI class 0'),
        ('v.yaml', b'{objects: &a [*a], verbs: *a, hois: *a}', "entry 0 of 'objects' needs a name"),
        ('v.yaml', b'{objects: [cup], verbs: [on], hois: [{verb: on}]}', "entry 0 of 'verbs' needs a name"),
    ],
)
def test_hostile_and_damaged_files_are_one_sentence_with_the_name(file, content, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / file).write_bytes(content)
    with pytest.raises(ValueError, match=f"Vocabulary file '{file}'.*{message}") as caught:
        load_vocabulary(file)
    assert '\n' not in str(caught.value) and len(str(caught.value)) < 500
    assert not (tmp_path / 'pwned').exists()


@pytest.mark.parametrize('source', ['a\0b', 'x' * 5000])
def test_names_that_no_file_can_have(source):
    with pytest.raises(FileNotFoundError, match='is neither a shipped vocabulary'):
        load_vocabulary(source)


@pytest.mark.parametrize('source', [None, 3, ['hico']])
def test_what_is_no_source_at_all(source):
    with pytest.raises(ValueError, match='A vocabulary is a name, a file or its content, not'):
        load_vocabulary(source)


def test_file_with_a_byte_order_mark(tmp_path):
    (tmp_path / 'v.yaml').write_text(YAML, encoding='utf-8-sig')
    (tmp_path / 'w.yaml').write_text(YAML)
    assert load_vocabulary(tmp_path / 'v.yaml') == load_vocabulary(tmp_path / 'w.yaml')
