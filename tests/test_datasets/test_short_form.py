import copy

import pytest

from genvlkt_mmdet.datasets.vocabulary import load_vocabulary

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
    ],
)
def test_mistakes(edit, message):
    import yaml

    data = yaml.safe_load(YAML)
    edit(data)
    with pytest.raises(ValueError, match=message):
        load_vocabulary(data)


def test_file_that_does_not_parse(tmp_path):
    (tmp_path / 'v.yaml').write_text('objects: [')
    with pytest.raises(ValueError, match=r"v.yaml' does not parse") as error:
        load_vocabulary(tmp_path / 'v.yaml')
    assert '\n' not in str(error.value)
    (tmp_path / 'w.yaml').write_text('- a')
    with pytest.raises(ValueError, match='must hold a mapping'):
        load_vocabulary(tmp_path / 'w.yaml')
