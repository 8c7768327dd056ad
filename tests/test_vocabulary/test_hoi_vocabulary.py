import copy
import hashlib
import json
from collections import Counter

import pytest
import yaml

from genvlkt_mmdet.vocabulary import HOIVocabulary, load_vocabulary
from tests.shared import shared_path

SPLITS = dict(
    rare_first=120, non_rare_first=120, unseen_object=100, unseen_verb=84, uc0=120, uc1=120, uc2=120, uc3=120, uc4=120
)


@pytest.fixture(scope='module')
def hico():
    return load_vocabulary('hico')


@pytest.fixture(scope='module')
def vcoco():
    return load_vocabulary('vcoco')


@pytest.fixture(scope='module')
def official():
    return json.loads(shared_path('reference', 'vocabulary.json').read_text())


def test_hico_counts(hico):
    assert (hico.num_hois, hico.num_verbs, hico.num_objects, hico.num_object_logits) == (600, 117, 80, 81)
    assert not hico.has_no_object
    assert len(set(hico.rare)) == 138
    assert len(set(zip(hico.hoi_verbs, hico.hoi_objects, strict=True))) == 600
    assert set(hico.hoi_verbs) == set(range(117))
    assert set(hico.hoi_objects) == set(range(80))
    assert hico.hoi_ids == tuple(range(1, 601))


def test_vcoco_counts(vcoco):
    assert (vcoco.num_hois, vcoco.num_verbs, vcoco.num_objects, vcoco.num_object_logits) == (263, 29, 80, 82)
    assert vcoco.has_no_object
    assert vcoco.no_object == 80
    assert max(vcoco.hoi_objects) == 80
    assert len(set(zip(vcoco.hoi_verbs, vcoco.hoi_objects, strict=True))) == 263


def test_minihoi_is_a_benchmark_of_its_own():
    vocabulary = load_vocabulary('minihoi')
    assert vocabulary.num_objects >= 8
    assert vocabulary.num_verbs >= 6
    assert vocabulary.num_hois >= 35
    assert vocabulary.num_object_logits == vocabulary.num_objects + 1
    assert 0 < len(vocabulary.rare) < vocabulary.num_hois
    for split in ('rare_first', 'non_rare_first', 'unseen_object', 'unseen_verb'):
        assert 0 < len(vocabulary.unseen(split)) < vocabulary.num_hois / 2


@pytest.mark.parametrize(('split', 'count'), SPLITS.items())
def test_splits_part_the_classes(hico, split, count):
    seen, unseen = hico.seen(split), hico.unseen(split)
    assert len(unseen) == count
    assert sorted(seen + unseen) == list(range(600))
    assert list(seen) == sorted(seen)
    assert list(unseen) == sorted(unseen)


def test_unseen_compositions_are_of_seen_parts(hico):
    for split in ('rare_first', 'non_rare_first', *(f'uc{i}' for i in range(5))):
        seen = hico.seen(split)
        assert {hico.hoi_objects[i] for i in seen} == set(range(80)), split
        if not split.startswith('uc'):  # the older five splits give up some verbs
            assert {hico.hoi_verbs[i] for i in seen} == set(range(117)), split


def test_rare_first_takes_rare_classes_and_non_rare_first_none(hico):
    assert set(hico.unseen('rare_first')) <= set(hico.rare)
    assert not set(hico.unseen('non_rare_first')) & set(hico.rare)


def test_unseen_object_and_unseen_verb_share_nothing_with_the_seen(hico):
    for split, parts, count in (('unseen_object', hico.hoi_objects, 12), ('unseen_verb', hico.hoi_verbs, 20)):
        unseen = {parts[i] for i in hico.unseen(split)}
        seen = {parts[i] for i in hico.seen(split)}
        assert len(unseen) == count
        assert not unseen & seen


def test_no_split_sees_everything(hico):
    assert hico.seen(None) == tuple(range(600))
    assert hico.unseen(None) == ()


def test_unknown_split_lists_the_known_ones(hico, vcoco):
    with pytest.raises(KeyError, match="no zero-shot split 'uc9'; it has: .*rare_first.*unseen_verb"):
        hico.seen('uc9')
    with pytest.raises(KeyError, match='it has: none'):
        vcoco.unseen('uc0')


def test_equals_the_official_hico_tables(hico, official):
    objects, part = official['objects'], official['hico']
    assert hico.object_names == tuple(o['name'] for o in objects)
    assert hico.object_ids == tuple(o['coco_id'] for o in objects)
    assert hico.verb_names == tuple(v['name'] for v in part['verbs'])
    assert hico.verb_phrases == tuple(v['phrase'] for v in part['verbs'])
    assert hico.hoi_prompts == tuple(h['prompt'] for h in part['hois'])
    assert hico.hoi_ids == tuple(h['id'] for h in part['hois'])
    assert hico.object_prompts == tuple(part['object_prompts'])
    unseen = official['zero_shot_unseen']
    assert {k: set(hico.unseen(k)) for k in SPLITS} == {k: set(unseen[k]) for k in SPLITS}


def test_equals_the_official_vcoco_tables(vcoco, official):
    part = official['vcoco']
    assert vcoco.object_names == tuple(o['name'] for o in official['objects'])
    assert vcoco.verb_names == tuple(part['roles'])
    assert vcoco.hoi_verbs == tuple(h['role'] for h in part['hois'])
    assert vcoco.hoi_objects == tuple(h['object'] for h in part['hois'])
    assert vcoco.hoi_prompts == tuple(h['prompt'] for h in part['hois'])
    assert vcoco.object_prompts == tuple(part['object_prompts'])


def test_equals_the_pairs_of_the_authors_code(hico, vcoco):
    tables = json.loads(shared_path('reference', 'tables.json').read_text())
    for vocabulary, key in ((hico, 'hico_pairs'), (vcoco, 'vcoco_pairs')):
        pairs = [list(pair) for pair in zip(vocabulary.hoi_verbs, vocabulary.hoi_objects, strict=True)]
        assert pairs == tables[key]
    for split, unseen in tables['hico_unseen_index'].items():
        assert set(hico.unseen(None if split == 'default' else split)) == set(unseen)


@pytest.mark.parametrize('name', ['hico', 'vcoco', 'minihoi'])
def test_every_class_is_found_by_its_names(name):
    vocabulary = load_vocabulary(name)
    for index, (verb, obj) in enumerate(zip(vocabulary.hoi_verbs, vocabulary.hoi_objects, strict=True)):
        names = (*vocabulary.object_names, None)
        assert vocabulary.hoi_index(vocabulary.verb_names[verb], names[obj]) == index
        assert vocabulary.hoi_index(verb, None if obj == vocabulary.num_objects else obj) == index


def test_some_classes_by_name(hico, vcoco):
    assert hico.hoi_prompts[hico.hoi_index('ride', 'horse')] == 'a photo of a person riding a horse'
    assert hico.phrase(hico.hoi_index('ride', 'horse')) == 'person riding a horse'
    assert vcoco.hoi_objects[vcoco.hoi_index('stand', None)] == 80
    assert vcoco.object_names[vcoco.hoi_objects[vcoco.hoi_index('hold_obj', 'cup')]] == 'cup'


def test_unknown_names_answer_with_near_ones(hico):
    with pytest.raises(KeyError, match="Unknown object 'hors' .*'horse'"):
        hico.hoi_index('ride', 'hors')
    with pytest.raises(KeyError, match="Unknown verb 'rides' .*'ride'"):
        hico.hoi_index('rides', 'horse')
    with pytest.raises(KeyError) as error:
        hico.hoi_index('qqqqqq', 'horse')
    assert 'mean' not in str(error.value)


def test_impossible_combinations_and_indices(hico):
    with pytest.raises(KeyError, match="'ride' with 'apple' is no HOI class of 'hico'"):
        hico.hoi_index('ride', 'apple')
    with pytest.raises(KeyError, match="'ride' with 'no object'"):
        hico.hoi_index('ride', None)
    for verb, obj, message in ((117, 0, 'verb index 117.*117'), (0, 80, 'object index 80.*80'), (-1, 0, 'index -1')):
        with pytest.raises(KeyError, match=message):
            hico.hoi_index(verb, obj)


@pytest.mark.parametrize('name', ['hico', 'vcoco', 'minihoi'])
def test_round_trip_through_plain_containers_json_and_yaml(name, tmp_path):
    vocabulary = load_vocabulary(name)
    data = vocabulary.to_dict()
    plain = json.loads(json.dumps(data))
    assert plain == data  # nothing but dicts, lists, strings and numbers
    assert HOIVocabulary.from_dict(data) == vocabulary
    assert load_vocabulary(plain) == vocabulary
    assert load_vocabulary(vocabulary) is vocabulary
    for suffix, text in (('json', json.dumps(data)), ('yaml', yaml.safe_dump(data))):
        path = tmp_path / f'own.{suffix}'
        path.write_text(text)
        assert load_vocabulary(path) == vocabulary
        assert load_vocabulary(str(path)) == vocabulary


def test_a_file_that_changes_is_read_again(tmp_path, toy_vocabulary):
    import os

    path = tmp_path / 'own.json'
    path.write_text(json.dumps(toy_vocabulary))
    assert load_vocabulary(path).rare == (3,)
    path.write_text(json.dumps(dict(toy_vocabulary, rare=[])))
    os.utime(path, ns=(1, 1))  # file systems keep time coarsely
    assert load_vocabulary(path).rare == ()


def test_optional_parts_have_defaults(toy_vocabulary):
    for key in ('name', 'splits', 'rare'):
        del toy_vocabulary[key]
    for verb in toy_vocabulary['verbs']:
        del verb['phrase']
    vocabulary = load_vocabulary(toy_vocabulary)
    assert vocabulary.name == 'custom'
    assert vocabulary.verb_phrases == ('hold', 'ride')
    assert vocabulary.splits == {}
    assert vocabulary.rare == ()


def test_absent_file_names_what_is_shipped():
    with pytest.raises(FileNotFoundError, match=r"'hicco' is neither a shipped vocabulary \(hico, minihoi, vcoco\)"):
        load_vocabulary('hicco')


def test_wrong_content_is_said_in_a_sentence(toy_vocabulary):
    def broken(change):
        data = copy.deepcopy(toy_vocabulary)
        change(data)
        return data

    cases = [
        (lambda d: d['object_prompts'].pop(), 'object_prompts needs one entry per object.*has 3 for 3'),
        (lambda d: d['object_prompts'].extend('ab'), 'object_prompts needs one entry per object.*has 6 for 3'),
        (lambda d: d['hois'][2].update(verb=2), 'HOI class 2 names verb 2 .* 2 verbs'),
        (lambda d: d['hois'][1].update(object=3), 'HOI class 1 names verb 0 and object 3.*3 objects'),
        (lambda d: d['hois'][1].update(object=-1), 'HOI class 1'),
        (lambda d: d.update(splits=dict(own=[4])), "'own' names an HOI class outside 0..3"),
        (lambda d: d.update(rare=[-1]), "'rare' names an HOI class outside 0..3"),
        (lambda d: d['hois'].append(dict(d['hois'][1], id=99)), 'HOI classes 1 and 4 are both'),
        (lambda d: d.pop('hois'), "lacks 'hois'"),
    ]
    for change, message in cases:
        with pytest.raises(ValueError, match=f"Vocabulary 'toy'.*{message}"):
            load_vocabulary(broken(change))


def test_person_only_may_be_an_object_where_it_has_a_prompt(toy_vocabulary):
    toy_vocabulary['object_prompts'].insert(3, 'a person only')
    toy_vocabulary['hois'].append(dict(id=15, verb=1, object=3, prompt='a person riding'))
    vocabulary = load_vocabulary(toy_vocabulary)
    assert vocabulary.has_no_object
    assert vocabulary.hoi_index('ride', None) == 4
    assert vocabulary.phrase(4) == 'person riding'


def test_phrases_read_as_phrases(hico, vcoco):
    for vocabulary in (hico, vcoco):
        phrases = [vocabulary.phrase(i) for i in range(vocabulary.num_hois)]
        assert all(phrase.startswith('person ') for phrase in phrases)
        assert Counter(phrases).most_common(1)[0][1] == 1


@pytest.mark.parametrize(
    ('name', 'digest'),
    [('hico', 'fd78ff53ecadfbd3'), ('vcoco', 'e78c0925f1061ca8'), ('minihoi', 'bee483416eed6d55')],
)
def test_prompts_never_change(name, digest):
    """Trained classifiers and cached embeddings depend on every letter."""
    vocabulary = load_vocabulary(name)
    prompts = '\n'.join([*vocabulary.hoi_prompts, *vocabulary.object_prompts])
    assert hashlib.sha256(prompts.encode()).hexdigest()[:16] == digest
