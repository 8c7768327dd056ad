"""The classifier of texts and verbs against its formula."""

import pytest
import torch
from torch.nn.functional import normalize

from genvlkt_mmdet.models import TextVerbClassifier
from genvlkt_mmdet.models.vlkt import load_verb_embeddings, save_verb_embeddings
from genvlkt_mmdet.vocabulary import HOIVocabulary
from tests.test_models.tiny import HICO_LIKE, VCOCO_LIKE

D = 16
VERBS = [0, 0, 1, 0, 1]  # of the HOI classes


def build(vocabulary=HICO_LIKE, split=None, **kwargs):
    torch.manual_seed(0)
    return TextVerbClassifier(D, HOIVocabulary.from_dict(vocabulary), 'hois', split, clip_dims=D, **kwargs)


@pytest.fixture
def features():
    return torch.randn(3, 2, D, generator=torch.Generator().manual_seed(1))


def formula(classifier, x, fc, verbs):
    scale = classifier.logit_scale.exp()
    text = scale * (normalize(x, dim=-1) @ fc.weight.t() + (0 if fc.bias is None else fc.bias))
    of_verbs = scale * normalize(classifier.verb_mlp(x), dim=-1) @ classifier.verb_fc.weight.t()
    return text + classifier.verb_weight * of_verbs[..., verbs]


def test_text_and_verb_of_each_class(features):
    classifier = build(verb_weight=0.3)
    logits, embeds = classifier(features)
    assert embeds is features
    torch.testing.assert_close(logits, formula(classifier, features, classifier.fc, VERBS))
    assert [p.shape for p in classifier.verb_mlp.parameters()] == [(8, D), (8,), (8, 8), (8,), (D, 8), (D,)]
    assert classifier.verb_fc.bias is None


def test_zero_shot_has_two_sets_of_rows(features):
    classifier = build(split='some', eval_bias=False)  # classes 1 and 3 are unseen
    assert classifier.eval_fc.bias is None and not classifier.fc.weight.requires_grad
    seen, _ = classifier(features, seen_only=True)
    torch.testing.assert_close(seen, formula(classifier, features, classifier.fc, [VERBS[i] for i in (0, 2, 4)]))
    logits, _ = classifier(features)
    torch.testing.assert_close(logits, formula(classifier, features, classifier.eval_fc, VERBS))


def test_new_classes(features):
    """A class of a trained verb gets its row; that of a new verb the mean of all verbs."""
    classifier = build()
    before, _ = classifier(features)
    new = torch.randn(2, D)
    classifier.extend([None, 2, None, 0], new)
    classifier.extend_verbs([1, 2])
    logits, _ = classifier(features)
    assert torch.equal(logits[..., [1, 3]], before[..., [2, 0]])
    scale, unit = classifier.logit_scale.exp(), normalize(features, dim=-1)
    text = scale * (unit @ normalize(new, dim=-1).t() + classifier.fc.bias.mean())
    verbs = classifier.verb_logits(features)
    torch.testing.assert_close(logits[..., 0], text[..., 0] + 0.5 * verbs[..., 1])
    torch.testing.assert_close(logits[..., 2], text[..., 1] + 0.5 * verbs.mean(-1))
    torch.testing.assert_close(classifier.text_rows[[0, 2]], normalize(new, dim=-1))
    assert 'new_verb_table' not in classifier.state_dict()
    classifier.reset()
    assert torch.equal(classifier(features)[0], before)


def test_verb_tables():
    # classes: hold cup, hold horse, ride horse, hold person, ride person, ride; objects: person, cup, horse
    table = build(VCOCO_LIKE).verb_table
    assert table.tolist() == [[1, 1, 0, 1, 0, 0], [0, 0, 1, 0, 1, 1]]
    released = build(VCOCO_LIKE, verb_table='object_as_released')
    # columns are objects: a person, a cup, a horse, none
    assert released.verb_table.tolist() == [[1, 1, 1, 0, 0, 0], [1, 0, 1, 1, 0, 0]]
    other = build(VCOCO_LIKE)
    other.load_state_dict(released.state_dict())
    assert torch.equal(other.verb_table, released.verb_table)  # that of the checkpoint
    other = build(VCOCO_LIKE, verb_table='hoi')
    other.load_state_dict(released.state_dict())
    assert torch.equal(other.verb_table, table)
    with pytest.raises(ValueError, match="'hoi' or 'object_as_released' or None"):
        build(verb_table='released')


def test_start_of_the_verbs(tmp_path):
    file, rows = tmp_path / 'verbs.safetensors', torch.randn(3, D)
    save_verb_embeddings(file, ['ride', 'other', 'hold'], rows)
    assert torch.equal(load_verb_embeddings(file, ['hold', 'ride']), rows[[2, 0]])
    classifier = build(verb_embeddings=str(file))
    classifier.init_weights()
    assert torch.equal(classifier.verb_fc.weight, rows[[2, 0]])  # as they are, not normalised
    assert classifier.verb_fc.weight.requires_grad
    with pytest.raises(FileNotFoundError, match='genvlkt data verb-embeddings'):
        build(verb_embeddings='absent.safetensors').init_weights()
    save_verb_embeddings(file, ['hold'], rows[:1])
    with pytest.raises(ValueError, match="lacks 1 of 2 verbs, first 'ride'"):
        build(verb_embeddings=str(file)).init_weights()
    save_verb_embeddings(file, ['hold', 'ride'], rows[:2, :3])
    with pytest.raises(ValueError, match='width 3, the classifier takes 16'):
        build(verb_embeddings=str(file)).init_weights()


def test_wrong_settings():
    vocabulary = HOIVocabulary.from_dict(HICO_LIKE)
    with pytest.raises(ValueError, match='must already be in the space of CLIP'):
        TextVerbClassifier(8, vocabulary, 'hois', clip_dims=D)
    with pytest.raises(ValueError, match='objects have no verbs'):
        TextVerbClassifier(D, vocabulary, 'objects', clip_dims=D)
