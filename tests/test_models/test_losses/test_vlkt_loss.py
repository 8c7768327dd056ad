import copy

import pytest
import torch

from genvlkt_mmdet.models import VLKTLoss
from genvlkt_mmdet.models.losses import vlkt_loss as vlkt_loss_module
from tests.test_models.tiny import Teacher


class Constant(torch.nn.Module):
    """A teacher that knows its answers."""

    def __init__(self, answers):
        super().__init__()
        self.answers = torch.tensor(answers)

    def forward(self, images):
        return self.answers[: len(images)]


@pytest.mark.parametrize(
    ('distance', 'expected'),
    # Differences of the mean query [2, 4] to the answers [1, 1] and [2, 7] are (1, 3) and (0, -3).
    [('l1', 7 / 4), ('l2', 19 / 4), ('l1+l2', 26 / 4)],
)
def test_distance_by_hand(distance, expected):
    loss = VLKTLoss(clip={}, distance=distance, loss_weight=20.0)
    loss.teacher = Constant([[1.0, 1.0], [2.0, 7.0]])
    queries = torch.tensor([[1.0, 5.0], [3.0, 3.0]])  # mean [2, 4]
    embeds = torch.stack([queries, 0 * queries])[:, None].expand(2, 2, 2, 2)  # two layers, the second all zero
    value = loss(embeds, torch.zeros(2, 3, 4, 4))
    zero = {'l1': 11 / 4, 'l2': 55 / 4, 'l1+l2': 66 / 4}[distance]
    assert value.tolist() == pytest.approx([20 * expected, 20 * zero])


def test_teacher_is_asked_once_for_all_layers():
    loss = VLKTLoss(clip={}, loss_weight=20.0)
    loss.teacher = teacher = Teacher()
    assert loss(torch.zeros(6, 2, 4, 16), torch.rand(2, 3, 8, 8)).shape == (6,)
    assert teacher.calls == 1


def test_teacher_gets_no_gradient_but_the_student_does():
    loss = VLKTLoss(clip={}, loss_weight=20.0)
    loss.teacher = Teacher()
    embeds = torch.zeros(2, 1, 4, 16, requires_grad=True)
    loss(embeds, torch.rand(1, 3, 8, 8)).sum().backward()
    assert all(p.grad is None for p in loss.teacher.parameters())
    # d/dx of 20 * |mean over 4 queries - t| / 16: every entry has this size.
    assert embeds.grad.abs().flatten().tolist() == pytest.approx([20 / 16 / 4] * embeds.numel())


def test_teacher_is_no_part_of_the_module():
    loss = VLKTLoss(clip={}, loss_weight=20.0)
    loss.teacher = Teacher()
    assert not loss.state_dict()
    assert not list(loss.parameters())
    assert list(loss.modules()) == [loss]
    assert not list(loss.children())
    loss.train()
    assert loss.teacher.training  # as it was: the loss's mode does not reach it
    loss.teacher.eval()
    loss.train()
    assert not loss.teacher.training
    assert isinstance(copy.deepcopy(loss).teacher, Teacher)


def test_teacher_is_made_at_the_first_loss(monkeypatch):
    asked = []
    monkeypatch.setattr(vlkt_loss_module, 'build_teacher', lambda clip: asked.append(clip) or Teacher())
    loss = VLKTLoss(clip=dict(model_name='ViT-B-32', pretrained='openai'))
    assert loss.teacher is None
    assert not asked
    for _ in range(2):
        loss(torch.zeros(1, 1, 2, 16), torch.zeros(1, 3, 8, 8))
    assert asked == [dict(model_name='ViT-B-32', pretrained='openai')]
    assert loss.teacher.calls == 2


def test_another_width_says_what_to_set():
    loss = VLKTLoss(clip={}, loss_weight=20.0)
    loss.teacher = Teacher(dims=12)
    with pytest.raises(ValueError, match=r'\(2, 12\).*\(2, 16\).*clip_dims'):
        loss(torch.zeros(1, 2, 4, 16), torch.zeros(2, 3, 8, 8))


def test_unknown_distance_lists_the_known_ones():
    with pytest.raises(ValueError, match=r"l1, l2, l1\+l2, not 'cosine'"):
        VLKTLoss(clip={}, distance='cosine')
