"""TextClassifier with an open vocabulary."""

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import normalize

from tests.test_models.tiny import text_classifier

NONE = torch.zeros(0, 6)


def build(**kwargs):
    """Four classes; weights, biases and temperature as after a training."""
    torch.manual_seed(0)
    classifier = text_classifier(8, 6, 4, **kwargs)
    with torch.no_grad():
        for parameter in classifier.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    return classifier


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 3), min_size=1, max_size=12), st.booleans())
def test_trained_classes_keep_their_logits_bit_for_bit(order, zero_shot):
    classifier = build(**(dict(seen=(1, 3), frozen=True) if zero_shot else {}))
    x = torch.randn(2, 5, 8)
    before, embeds = classifier(x)
    classifier.extend(order, NONE)
    after, same = classifier(x)
    assert torch.equal(after, before[..., order]) and torch.equal(same, embeds)


def test_new_class_is_its_embedding_with_the_mean_bias():
    classifier = build()
    text = torch.randn(2, 6)
    x = torch.randn(3, 8)
    before, embeds = classifier(x)
    classifier.extend([2, None, 0, None], text)
    logits, _ = classifier(x)
    assert torch.equal(logits[:, [0, 2]], before[:, [2, 0]])
    scale, bias = classifier.logit_scale.exp(), classifier.fc.bias
    expected = scale * (normalize(embeds, dim=-1) @ (text / text.norm(dim=1, keepdim=True)).T + bias.sum() / 4)
    torch.testing.assert_close(logits[:, [1, 3]], expected)
    classifier.extend([None], 9 * text[1:], num_bias_classes=2)  # its length does not matter
    expected = scale * (normalize(embeds, dim=-1) @ normalize(text[1], dim=0) + (bias[0] + bias[1]) / 2)
    torch.testing.assert_close(classifier(x)[0][:, 0], expected)


def test_unseen_class_by_text_is_the_class_of_the_evaluation_rows():
    classifier = text_classifier(8, 6, 4, seen=(1, 3), frozen=True)
    rows = torch.randn(4, 6)
    classifier.set_embeddings(rows)
    x = torch.randn(3, 8)
    before, _ = classifier(x)
    classifier.extend([None] * 4, rows)
    torch.testing.assert_close(classifier(x)[0], before, rtol=1e-6, atol=1e-6)


@torch.no_grad()
def test_state_and_training_do_not_know_of_it():
    classifier = build(seen=(1, 3), frozen=True)
    x = torch.randn(3, 8)
    state = {key: value.clone() for key, value in classifier.state_dict().items()}
    before, seen = classifier(x)[0], classifier(x, seen_only=True)[0]
    classifier.extend([None, 3], torch.randn(1, 6))
    assert classifier.state_dict().keys() == state.keys()
    assert all(torch.equal(value, state[key]) for key, value in classifier.state_dict().items())
    assert torch.equal(classifier(x, seen_only=True)[0], seen)
    # weights may be loaded while it is open
    other = build(seen=(1, 3), frozen=True)
    other.load_state_dict({key: 2 * value for key, value in state.items()}, strict=True)
    classifier.load_state_dict(other.state_dict(), strict=True)
    assert torch.equal(classifier(x)[0][:, 1], other(x)[0][:, 3])
    classifier.load_state_dict(state)
    classifier.reset()
    assert torch.equal(classifier(x)[0], before)


@torch.no_grad()
def test_follows_precision_and_copies():
    classifier = build()
    classifier.extend([None, 1], torch.randn(1, 6))
    x = torch.randn(3, 8)
    expected = classifier(x)[0]
    double = copy.deepcopy(classifier).double()
    assert double.new_weight.dtype == torch.float64 and double.order.dtype == torch.int64
    torch.testing.assert_close(double(x.double())[0].float(), expected)
    assert classifier(x)[0].dtype == torch.float32
    double.reset()
    assert torch.equal(classifier(x)[0], expected)  # the copy has its own
    meta = classifier.to('meta')
    assert meta.new_weight.is_meta and meta.order.is_meta


def test_embeddings_of_another_model_are_refused():
    classifier = build()
    with pytest.raises(ValueError, match=r'are \(1, 5\), the classifier takes \(1, 6\).*CLIP model'):
        classifier.extend([None], torch.randn(1, 5))
    with pytest.raises(ValueError, match=r'are \(2, 6\), the classifier takes \(1, 6\)'):
        classifier.extend([None, 2], torch.randn(2, 6))
    assert classifier.order is None
