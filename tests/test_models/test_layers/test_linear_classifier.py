import pytest
import torch

from genvlkt_mmdet.models.layers import LinearClassifier
from tests.test_models.tiny import classes_of


def test_logits_of_all_and_of_seen_classes():
    torch.manual_seed(0)
    classifier = LinearClassifier(4, classes_of(5, seen=(0, 2, 3)), 'hois', 'split')
    features = torch.randn(2, 3, 4)
    logits, same = classifier(features)
    assert same is features
    torch.testing.assert_close(logits, features @ classifier.linear.weight.T + classifier.linear.bias)
    seen, _ = classifier(features, seen_only=True)
    torch.testing.assert_close(seen, logits[..., [0, 2, 3]])


def test_unseen_classes_keep_the_prior_for_every_input():
    torch.manual_seed(0)
    classifier = LinearClassifier(4, classes_of(5, seen=(0, 2, 3)), 'hois', 'split', prior=0.01)
    optimizer = torch.optim.SGD(classifier.parameters(), lr=1.0)
    classifier(torch.randn(6, 4), seen_only=True)[0].square().sum().backward()
    optimizer.step()
    logits, _ = classifier(torch.randn(6, 4))
    torch.testing.assert_close(logits[:, [1, 4]].sigmoid(), torch.full((6, 2), 0.01))
    assert logits[:, 0].std() > 0.1


@pytest.mark.parametrize(('prior', 'expected'), [(0.5, 0.0), (0.01, -4.59512)])
def test_prior(prior, expected):
    assert LinearClassifier(2, classes_of(3), 'hois', prior=prior).linear.bias.tolist() == pytest.approx(
        [expected] * 3, abs=1e-5
    )
