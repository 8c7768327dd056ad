import pytest
import torch
from mmdet.registry import MODELS

from genvlkt_mmdet.models import GENHead
from tests.test_models.tiny import HICO_LIKE, batch, build_detector, head_cfg, sample

PLAIN = dict(hoi_text=False, obj_text=False, mimic=False)
SAMPLES = ((64, 96), (96, 64))


HEADS = (
    dict(type='GENHead'),
    dict(type='VerbGENHead'),
    dict(type='VerbGENHead', without='p-GE'),
    dict(type='VerbGENHead', without='i-GE'),
)


def detector(zero_shot=None, **head):
    torch.manual_seed(0)
    model = build_detector(**PLAIN, zero_shot=zero_shot)
    model.bbox_head = MODELS.build(head_cfg(hoi_text=False, obj_text=False, zero_shot=zero_shot) | head)
    return model.eval()


@pytest.mark.parametrize('head', HEADS, ids=lambda head: ' without '.join(head.values()))
@pytest.mark.parametrize('zero_shot', [None, 'some'])
def test_trains_and_predicts(head, zero_shot):
    model = detector(zero_shot, **head)
    labels = 5 if zero_shot is None else 3
    samples = [sample(size, num_hois=labels, seed=i) for i, size in enumerate(SAMPLES)]
    inputs = batch(*samples)
    losses = model(inputs, samples, mode='loss')
    sum(losses.values()).backward()
    untouched = {n for n, p in model.named_parameters() if p.requires_grad and p.grad is None}
    assert untouched == set()
    for result in model(inputs, samples, mode='predict'):
        triplets = result.pred_hois
        assert 0 < len(triplets) <= 30
        assert set(triplets.hoi_labels.tolist()) <= set(range(5))
        assert ((triplets.scores >= 0) & (triplets.scores <= 2)).all()


def outputs_of(model, samples):
    with torch.no_grad():
        return model(batch(*samples), samples, mode='tensor')


def test_shared_queries_equal_equal_human_and_object_queries():
    """A human and an object query at the same position attend alike: one of them is enough."""
    shared, guided = detector(type='VerbGENHead', without='p-GE'), detector(type='VerbGENHead')
    state = shared.state_dict()
    pos = state.pop('bbox_head.instance_embed.weight')
    state['bbox_head.human_embed.weight'] = state['bbox_head.object_embed.weight'] = pos
    state['bbox_head.pair_embed.weight'] = torch.zeros_like(pos)
    guided.load_state_dict(state)
    samples = [sample(size) for size in SAMPLES]
    ours, theirs = outputs_of(shared, samples), outputs_of(guided, samples)
    for key in ours:
        torch.testing.assert_close(ours[key], theirs[key], rtol=1e-4, atol=1e-5)


def test_learned_interaction_queries_do_not_depend_on_instances():
    model = detector(type='VerbGENHead', without='i-GE')
    samples = [sample(size) for size in SAMPLES]
    before = outputs_of(model, samples)
    torch.nn.init.normal_(model.bbox_head.human_embed.weight)
    after = outputs_of(model, samples)
    assert torch.equal(before['hoi_logits'], after['hoi_logits'])
    assert not torch.allclose(before['human_boxes'], after['human_boxes'])
    torch.nn.init.normal_(model.bbox_head.pair_embed.weight)
    assert not torch.allclose(after['hoi_logits'], outputs_of(model, samples)['hoi_logits'])


def test_unknown_part_to_take_away():
    with pytest.raises(ValueError, match="without='pge' is unknown; it is 'p-GE', 'i-GE' or None"):
        detector(type='VerbGENHead', without='pge')


@pytest.mark.parametrize('head', HEADS[1:], ids=lambda head: ' without '.join(head.values()))
def test_classifier_has_a_row_per_verb(head):
    model = detector(**head)
    samples = [sample(size) for size in SAMPLES]
    assert outputs_of(model, samples)['hoi_logits'].shape[-1] == 2


class TestVerbs:
    def test_classes_of_a_verb_differ_by_their_object_only(self):
        head = MODELS.build(dict(head_cfg(hoi_text=False, obj_text=False), type='VerbGENHead', test_cfg=dict(nms=None)))
        verb_logits = torch.tensor([[[0.3, -0.7]]])
        obj_logits = torch.tensor([[[0.1, 0.9, -0.4, 0.0]]])
        box = torch.tensor([[[0.5, 0.5, 0.2, 0.2]]])
        outputs = dict(hoi_logits=verb_logits, obj_logits=obj_logits, human_boxes=box, object_boxes=box)
        (result,) = head.predict_by_feat(outputs, [(10, 20)])
        by_class = dict(zip(result.hoi_labels.tolist(), result.scores.tolist(), strict=True))
        assert len(by_class) == 5
        for hoi, entry in enumerate(HICO_LIKE['hois']):
            verb, obj = verb_logits.flatten()[entry['verb']], obj_logits.flatten()[entry['object']]
            assert by_class[hoi] == pytest.approx((verb.sigmoid() + obj.sigmoid() ** 2).item())

    def test_labels_are_the_union_of_the_verbs(self, monkeypatch):
        head = MODELS.build(dict(head_cfg(hoi_text=False, obj_text=False, zero_shot='some'), type='VerbGENHead'))
        seen = {}
        monkeypatch.setattr(
            GENHead, 'loss_by_feat', lambda self, outputs, targets, *others: seen.update(targets=targets)
        )
        target = sample((32, 32), count=3, num_hois=3).gt_pairs
        # seen classes are 0 (verb 0), 2 (verb 1) and 4 (verb 1)
        target.hoi_labels = torch.tensor([[1.0, 0, 0], [0, 1, 1], [1, 0, 1]])
        head.loss_by_feat({}, [target])
        assert seen['targets'][0].hoi_labels.tolist() == [[1, 0], [0, 1], [1, 1]]
        assert target.hoi_labels.shape == (3, 3)

    def test_has_no_text(self):
        with pytest.raises(ValueError, match='verbs have no text embeddings; use a LinearClassifier'):
            MODELS.build(head_cfg(type='VerbGENHead'))


class TestRandomText:
    @pytest.fixture(autouse=True)
    def _text(self, monkeypatch):
        monkeypatch.setattr(
            'genvlkt_mmdet.models.layers.classifier.encode_text', lambda prompts, clip: torch.eye(len(prompts), 16)
        )

    @staticmethod
    def head(text, **kwargs):
        torch.manual_seed(0)
        cfg = head_cfg(clip=dict(model_name='some'), **kwargs)
        for key in ('hoi_classifier', 'obj_classifier'):
            cfg[key] = dict(cfg[key], text=text)
        head = MODELS.build(cfg)
        head.init_weights()
        return head

    def test_only_the_rows_are_others(self):
        ours, theirs = self.head('random'), self.head('clip')
        theirs = theirs.state_dict()
        changed = {name for name, value in ours.state_dict().items() if not torch.equal(value, theirs[name])}
        assert changed == {'hoi_classifier.fc.weight', 'obj_classifier.fc.weight'}
        for classifier in (ours.hoi_classifier, ours.obj_classifier):
            torch.testing.assert_close(classifier.fc.weight.norm(dim=1), torch.ones(classifier.fc.out_features))

    def test_seen_and_all_rows_are_one_set(self):
        head = self.head('random', zero_shot='some')
        assert torch.equal(head.hoi_classifier.fc.weight, head.hoi_classifier.eval_fc.weight[[0, 2, 4]])
        assert not torch.equal(head.hoi_classifier.eval_fc.weight, torch.eye(5, 16))

    def test_unknown_text(self):
        with pytest.raises(ValueError, match="text must be 'clip' or 'random', not 'noise'"):
            self.head('noise')
