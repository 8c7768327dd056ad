"""GENHead with an open vocabulary."""

import copy
import hashlib

import pytest
import torch
from mmdet.registry import MODELS
from torch.nn.functional import normalize

from genvlkt_mmdet.models.layers import classifier as classifier_module
from tests.test_models.tiny import CHANNELS, CLIP_DIMS, HICO_LIKE, VCOCO_LIKE, head_cfg, sample

CLIP = dict(model_name='some')
PAIRS = [('hold', 'cup'), ('hold', 'horse'), ('ride', 'horse'), ('hold', 'person'), ('ride', 'person')]


def embedding(prompt):
    """What the text encoder of these tests gives: other prompts, other directions."""
    seed = int.from_bytes(hashlib.sha256(prompt.encode()).digest()[:4], 'big')
    return 3 * torch.randn(CLIP_DIMS, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(autouse=True)
def asked(monkeypatch):
    """Replaces the text encoder; lists what it is asked for an open vocabulary."""
    asked = []

    def encode(prompts, clip):
        return torch.stack([embedding(prompt) for prompt in prompts])

    def encode_new(prompts, clip):
        asked.append((list(prompts), clip))
        return encode(prompts, clip)

    monkeypatch.setattr(classifier_module, 'encode_text', encode)
    monkeypatch.setattr(classifier_module, 'encode_new_text', encode_new)
    return asked


@pytest.fixture
def memory():
    torch.manual_seed(1)
    return torch.randn(2, 9, CHANNELS), torch.randn(2, 9, CHANNELS), None


def build(vocabulary=HICO_LIKE, zero_shot=None, **kwargs):
    """A head that looks trained: its rows are text, moved a little where they are learned."""
    torch.manual_seed(0)
    kwargs.setdefault('clip', CLIP)
    head = MODELS.build(head_cfg(vocabulary=vocabulary, zero_shot=zero_shot, **kwargs)).eval()
    head.init_weights()
    with torch.no_grad():
        for parameter in head.parameters():
            if parameter.requires_grad:
                parameter.add_(0.02 * torch.randn_like(parameter))
    return head


def predict(head, memory):
    samples = [sample((60, 90)), sample((60, 90))]
    return [dict(result.items()) for result in head.predict(*memory, samples)]


def equal(one, other):
    assert one.keys() == other.keys()
    return all(torch.equal(value.nan_to_num(-1), other[key].nan_to_num(-1)) for key, value in one.items())


@torch.no_grad()
@pytest.mark.parametrize('zero_shot', [None, 'some'], ids=['fine-tuned', 'zero-shot'])
@pytest.mark.parametrize('vocabulary', [HICO_LIKE, VCOCO_LIKE], ids=['hico', 'vcoco'])
def test_training_vocabulary_gives_the_same_bit_for_bit(vocabulary, zero_shot, memory, asked):
    head = build(vocabulary, zero_shot)
    outputs, results = head(*memory), predict(head, memory)
    hois = PAIRS if vocabulary is HICO_LIKE else [*PAIRS, ('ride', None)]
    state = {key: value.clone() for key, value in head.state_dict().items()}
    for entries in (hois, [hoi['prompt'] for hoi in vocabulary['hois']]):
        head.set_vocabulary(entries)
        assert not asked  # nothing is new: CLIP is not needed
        assert head.vocabulary == head.trained_vocabulary
        assert equal(head(*memory), outputs)
        assert all(equal(a, b) for a, b in zip(predict(head, memory), results, strict=True))
        assert equal(head.state_dict(), state)
    head.reset_vocabulary()
    assert head.vocabulary is head.trained_vocabulary
    assert equal(head(*memory), outputs)


@torch.no_grad()
@pytest.mark.parametrize('zero_shot', [None, 'some'], ids=['fine-tuned', 'zero-shot'])
@pytest.mark.parametrize('order', [[4, 2, 0, 3, 1], [3], [2, 0]], ids=str)
def test_other_orders_and_parts(order, zero_shot, memory):
    head = build(zero_shot=zero_shot)
    outputs = head(*memory)
    head.set_vocabulary([PAIRS[i] for i in order])
    opened = head(*memory)
    assert torch.equal(opened.pop('hoi_logits'), outputs.pop('hoi_logits')[..., order])
    assert equal(opened, outputs)
    assert head.hoi_objects.tolist() == [(1, 2, 2, 0, 0)[i] for i in order]
    assert head.hoi_verbs.tolist() == [(0, 0, 1, 0, 1)[i] for i in order]
    for result in predict(head, memory):
        assert set(result['hoi_labels'].tolist()) <= set(range(len(order)))


@torch.no_grad()
@pytest.mark.parametrize('vocabulary', [HICO_LIKE, VCOCO_LIKE], ids=['hico', 'vcoco'])
def test_new_classes_and_objects_by_their_formula(vocabulary, memory, asked):
    head = build(vocabulary)
    with torch.no_grad():
        head.hoi_classifier.fc.bias.normal_()
        head.obj_classifier.fc.bias.normal_()
    outputs = head(*memory)
    head.set_vocabulary([('ride', 'cup'), 'a person feeding a giraffe', ('ride', 'horse')])
    ride, feed, giraffe = 'a photo of a person riding a cup', 'a photo of a person feeding a giraffe', 'a giraffe'
    assert asked == [([ride, feed, giraffe], CLIP)]
    opened = head(*memory)

    unit = normalize(outputs['hoi_embeds'], dim=-1)
    classifier = head.hoi_classifier
    for i, prompt in ((0, ride), (1, feed)):
        expected = classifier.logit_scale.exp() * (
            unit @ normalize(embedding(prompt), dim=0) + classifier.fc.bias.mean()
        )
        torch.testing.assert_close(opened['hoi_logits'][..., i], expected)
    assert torch.equal(opened['hoi_logits'][..., 2], outputs['hoi_logits'][..., 2])

    # the giraffe stands behind the three objects, before 'person only' and 'nothing'
    others = [i for i in range(opened['obj_logits'].shape[-1]) if i != 3]
    assert torch.equal(opened['obj_logits'][..., others], outputs['obj_logits'])
    classifier = head.obj_classifier
    human_object = torch.cat(head._decode_instances(*memory), dim=-1)[..., CHANNELS:]
    projected = normalize(classifier.proj(human_object), dim=-1)
    bias = classifier.fc.bias[:3].mean()  # of objects, not of 'nothing'
    expected = classifier.logit_scale.exp() * (projected @ normalize(embedding(giraffe), dim=0) + bias)
    torch.testing.assert_close(opened['obj_logits'][..., 3], expected)
    assert head.hoi_objects.tolist() == [1, 3, 2] and head.hoi_verbs.tolist() == [1, 2, 1]

    # scores of the prediction are of these logits
    (result, _) = predict(head, memory)
    hoi, obj = opened['hoi_logits'][-1, 0].sigmoid(), opened['obj_logits'][-1, 0].sigmoid()
    scores = hoi + obj[:, [1, 3, 2]] ** 2
    torch.testing.assert_close(result['scores'], scores[result['query_ids'], result['hoi_labels']])
    assert set(result['hoi_labels'].tolist()) == {0, 1, 2}
    no_object = result['object_labels'] == head.vocabulary.no_object
    assert torch.equal(result['object_boxes'].isnan().all(1), no_object)


@torch.no_grad()
def test_unseen_classes_score_as_the_zero_shot_rows(memory, asked):
    """Text that comes in later gives what the rows of all classes give, which the text came into before the training."""
    head = build(zero_shot='some')
    trained = head(*memory)['hoi_logits']
    seen_only = copy.deepcopy(HICO_LIKE)
    seen_only['hois'] = [hoi for i, hoi in enumerate(seen_only['hois']) if i not in (1, 3)]
    seen_only.update(splits=dict(some=[]), rare=[])
    blind = build(seen_only, zero_shot='some')
    state = head.state_dict()
    state['hoi_classifier.eval_fc.weight'] = state['hoi_classifier.eval_fc.weight'][[0, 2, 4]]
    state['hoi_classifier.eval_fc.bias'] = state['hoi_classifier.eval_fc.bias'][[0, 2, 4]]
    blind.load_state_dict(state)
    blind.set_vocabulary(PAIRS)
    assert asked[0][0] == ['a photo of a person holding a horse', 'a photo of a person holding a person']
    torch.testing.assert_close(blind(*memory)['hoi_logits'], trained, rtol=1e-6, atol=1e-6)


@torch.no_grad()
def test_set_again_and_again_then_reset(memory):
    head = build()
    outputs, buffers = head(*memory), (head.hoi_objects.clone(), head.hoi_verbs.clone())
    state = {key: value.clone() for key, value in head.state_dict().items()}
    head.set_vocabulary(['feeding a giraffe', 'riding an okapi'])
    first = head(*memory)
    assert first['obj_logits'].shape[-1] == 6
    head.set_vocabulary([('ride', 'zebra')])  # relative to the training, not to what was set before
    assert head.vocabulary.object_names == ('person', 'cup', 'horse', 'zebra')
    assert head(*memory)['hoi_logits'].shape[-1] == 1 and head(*memory)['obj_logits'].shape[-1] == 5
    head.set_vocabulary(['feeding a giraffe', 'riding an okapi'])
    assert equal(head(*memory), first)
    assert equal(head.state_dict(), state)
    head.reset_vocabulary()
    assert equal(head(*memory), outputs)
    assert torch.equal(head.hoi_objects, buffers[0]) and torch.equal(head.hoi_verbs, buffers[1])
    head.reset_vocabulary()  # nothing to do is no mistake


@torch.no_grad()
def test_copies_and_precision(memory):
    head = build()
    head.set_vocabulary(['feeding a giraffe'])
    opened = head(*memory)
    twin = copy.deepcopy(head)
    head.reset_vocabulary()
    assert equal(twin(*memory), opened)
    double = twin.double()
    inputs = [m if m is None else m.double() for m in memory]
    torch.testing.assert_close(double(*inputs)['hoi_logits'].float(), opened['hoi_logits'], rtol=1e-4, atol=1e-5)
    twin.reset_vocabulary()
    assert twin.vocabulary is twin.trained_vocabulary and twin(*inputs)['hoi_logits'].shape[-1] == 5


@pytest.mark.parametrize('selector', ['TopHOITriplets', 'VerbHOITriplets'])
@torch.no_grad()
def test_selectors(selector, memory):
    head = build(VCOCO_LIKE, test_cfg=dict(type=selector))
    hois = [('ride', 'okapi'), 'a person feeding a giraffe', ('ride', 'horse'), ('sleep', None), ('feed', 'horse')]
    head.set_vocabulary(hois)
    for result in predict(head, memory):
        labels = result['hoi_labels'].tolist()
        assert labels and set(labels) <= set(range(5))
        if selector == 'VerbHOITriplets':  # a triplet for each verb of each query: ride, feed, sleep
            verbs = head.hoi_verbs[result['hoi_labels']].tolist()
            assert len(labels) == 3 * len(set(result['query_ids'].tolist()))
            assert sorted(set(verbs)) == sorted(set(head.hoi_verbs.tolist())) and len(set(verbs)) == 3


def test_initialising_again_writes_the_trained_rows(memory):
    head = build()
    head.set_vocabulary(['feeding a giraffe'])
    head.hoi_classifier.init_weights()
    rows = torch.stack([normalize(embedding(hoi['prompt']), dim=0) for hoi in HICO_LIKE['hois']])
    torch.testing.assert_close(head.hoi_classifier.fc.weight.detach(), rows)


# Mistakes


def test_training_is_refused(memory):
    head = build(clip=None)
    samples = [sample((50, 60), seed=i) for i in range(2)]
    expected = head.loss(*memory, samples)
    head.set_vocabulary(PAIRS)
    with pytest.raises(RuntimeError, match=r'call reset_vocabulary\(\) before training'):
        head.loss(*memory, samples)
    head.reset_vocabulary()
    assert equal(head.loss(*memory, samples), expected)


def test_classifiers_without_text_are_refused(memory):
    with pytest.raises(ValueError, match='needs text classifiers.* LinearClassifier and TextClassifier'):
        build(hoi_text=False).set_vocabulary(PAIRS)
    verbs = MODELS.build(dict(head_cfg(hoi_text=False, obj_text=False), type='VerbGENHead'))
    with pytest.raises(ValueError, match='needs text classifiers'):
        verbs.set_vocabulary(PAIRS)
    head = build(obj_text=False)
    outputs = head(*memory)
    with pytest.raises(ValueError, match='has TextClassifier and LinearClassifier'):
        head.set_vocabulary([('ride', 'horse'), ('ride', 'zebra')])
    # without a new object, the object classifier needs no text
    head.set_vocabulary([('ride', 'cup'), ('ride', 'horse')])
    opened = head(*memory)
    assert torch.equal(opened['obj_logits'], outputs['obj_logits'])
    assert torch.equal(opened['hoi_logits'][..., 1], outputs['hoi_logits'][..., 2])
    head.reset_vocabulary()


def test_a_mistake_changes_nothing(memory, asked, monkeypatch):
    head = build(clip=None)
    outputs = head(*memory)
    with pytest.raises(
        ValueError, match="'a photo of a person feeding a giraffe' is new .* clip=.*model.bbox_head.hoi_classifier.clip"
    ):
        head.set_vocabulary(['feeding a giraffe'])
    with pytest.raises(ValueError, match="'horse' names no verb"):
        head.set_vocabulary(['riding a horse', 'horse'])
    monkeypatch.setattr(classifier_module, 'encode_new_text', lambda prompts, clip: torch.ones(len(prompts), 7))
    with pytest.raises(ValueError, match=r'\(1, 7\), the classifier takes \(1, 16\)'):
        head.set_vocabulary(['feeding a giraffe'], clip=CLIP)
    assert head.vocabulary is head.trained_vocabulary
    assert equal(head(*memory), outputs)
    head.set_vocabulary(PAIRS)  # needs no clip


def test_clip_may_be_given(asked):
    head = build(clip=None)
    other = dict(model_name='other')
    head.set_vocabulary(['feeding a cup'], clip=other)
    assert asked == [(['a photo of a person feeding a cup'], other)]
