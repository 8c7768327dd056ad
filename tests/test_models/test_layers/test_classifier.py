import math

import pytest
import torch
from torch.nn.functional import layer_norm

from tests.test_models.tiny import text_classifier


def test_forward_is_the_formula():
    torch.manual_seed(0)
    classifier = text_classifier(8, 6, 4)
    with torch.no_grad():
        classifier.logit_scale.fill_(math.log(5.0))
        classifier.proj[1].weight.uniform_(0.5, 2)
    x = torch.randn(2, 3, 8)
    logits, embeds = classifier(x)
    linear, norm = classifier.proj
    expected = layer_norm(x @ linear.weight.T + linear.bias, (6,)) * norm.weight + norm.bias
    torch.testing.assert_close(embeds, expected)
    unit = expected / expected.square().sum(-1, keepdim=True).sqrt()
    # The scale multiplies the bias too, and the rows are taken as they are.
    torch.testing.assert_close(logits, 5 * (unit @ classifier.fc.weight.T + classifier.fc.bias))


def test_temperature_starts_at_clips():
    scale = text_classifier(8, 6, 4).logit_scale
    assert scale.exp().item() == pytest.approx(1 / 0.07, rel=1e-5)
    assert scale.requires_grad


def test_length_of_the_features_does_not_matter():
    torch.manual_seed(0)
    classifier = text_classifier(8, 6, 4)
    x = torch.randn(5, 8)
    logits, _ = classifier(x)
    with torch.no_grad():
        classifier.proj[1].weight.mul_(7)
        classifier.proj[1].bias.mul_(7)
    torch.testing.assert_close(classifier(x)[0], logits)


def test_rows_become_unit_embeddings_and_stay_trainable():
    classifier = text_classifier(8, 3, 2)
    bias = classifier.fc.bias.clone()
    classifier.set_embeddings(torch.tensor([[3.0, 0.0, 4.0], [0.0, -2.0, 0.0]]))
    torch.testing.assert_close(classifier.fc.weight.detach(), torch.tensor([[0.6, 0.0, 0.8], [0.0, -1.0, 0.0]]))
    assert torch.equal(classifier.fc.bias, bias)  # Linear's own initialisation
    assert all(p.requires_grad for p in classifier.parameters())
    assert classifier.seen is None and not hasattr(classifier, 'eval_fc')


def test_zero_shot_has_two_sets_of_rows():
    torch.manual_seed(0)
    classifier = text_classifier(8, 3, 4, seen=(1, 3), frozen=True)
    rows = torch.eye(4, 3) + 0.5
    classifier.set_embeddings(rows)
    x = torch.randn(2, 8)
    seen, _ = classifier(x, seen_only=True)
    every, _ = classifier(x)
    assert seen.shape == (2, 2) and every.shape == (2, 4)
    # One bias policy for all rows (none), so a seen class scores the same in both.
    torch.testing.assert_close(every[:, [1, 3]], seen)
    assert classifier.fc.bias.eq(0).all() and classifier.eval_fc.bias.eq(0).all()
    trainable = {name for name, p in classifier.named_parameters() if p.requires_grad}
    assert trainable == {'proj.0.weight', 'proj.0.bias', 'proj.1.weight', 'proj.1.bias', 'logit_scale'}


def test_zero_shot_rows_may_be_trained_when_asked():
    classifier = text_classifier(8, 3, 4, seen=(1, 3), frozen=False)
    assert classifier.fc.weight.requires_grad
    assert not classifier.eval_fc.weight.requires_grad


def test_embeddings_of_another_width_say_what_to_set():
    with pytest.raises(ValueError, match=r'\(4, 5\).*\(4, 3\).*clip_dims'):
        text_classifier(8, 3, 4).set_embeddings(torch.ones(4, 5))
    with pytest.raises(ValueError, match=r'\(2, 3\).*\(4, 3\)'):
        text_classifier(8, 3, 4, seen=(0, 1)).set_embeddings(torch.ones(2, 3))


def test_frozen_rows_have_no_bias():
    classifier = text_classifier(8, 6, 4, frozen=True)
    assert classifier.fc.bias.eq(0).all() and not classifier.fc.bias.requires_grad


@pytest.mark.parametrize(('seen', 'frozen'), [(None, False), (None, True), ((0, 2), True)])
def test_prior_is_the_probability_of_a_cosine_of_zero(seen, frozen):
    classifier = text_classifier(8, 6, 4, seen, frozen=frozen, prior=0.01)
    classifier.set_embeddings(torch.zeros(4, 6))
    for seen_only in (False, True):
        logits, _ = classifier(torch.randn(5, 8), seen_only)
        torch.testing.assert_close(logits.sigmoid(), torch.full_like(logits, 0.01))
    assert classifier.fc.bias.requires_grad != frozen
