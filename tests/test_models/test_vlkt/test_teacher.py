import pytest
import torch
from torch import nn

from genvlkt_mmdet.models.vlkt import CLIPTeacher, build_teacher


@pytest.fixture
def teacher(small_clip) -> CLIPTeacher:
    return build_teacher(str(small_clip[0]))


def test_equals_open_clip(teacher, small_clip):
    images = torch.randn(3, 3, 32, 32)
    with torch.no_grad():
        expected = small_clip[1].encode_image(images)
    embeddings = teacher(images)
    assert embeddings.shape == (3, 32) and embeddings.dtype == torch.float32 and not embeddings.requires_grad
    torch.testing.assert_close(embeddings, expected, rtol=0, atol=1e-6)


def test_stays_frozen_and_in_eval_mode(teacher):
    student = nn.Module()
    student.teacher = teacher
    student.train()
    student.requires_grad_(True)
    assert not any(m.training for m in teacher.modules())
    teacher.train(True).requires_grad_(True)
    assert not any(m.training for m in teacher.modules())
    assert not any(p.requires_grad for p in teacher.parameters())


def test_holds_the_image_tower_only(teacher, small_clip):
    assert {k.split('.')[0] for k in teacher.state_dict()} == {'visual'}
    count = sum(p.numel() for p in small_clip[1].visual.parameters())
    assert sum(p.numel() for p in teacher.parameters()) == count


def test_half_precision_is_for_the_gpu_alone(teacher):
    teacher.half()
    assert next(teacher.parameters()).dtype == torch.float32
    teacher.to(torch.float16)
    assert next(teacher.parameters()).dtype == torch.float32


def test_half_precision_on_a_gpu(teacher, monkeypatch):
    """Where parameters say that they are on a GPU they turn to half precision; the result stays float32 and near."""
    images = torch.randn(2, 3, 32, 32)
    exact = teacher(images)
    monkeypatch.setattr(nn.Parameter, 'is_cuda', property(lambda self: True), raising=False)
    teacher.to('cpu')
    assert {p.dtype for p in teacher.parameters()} == {torch.float16}
    embeddings = teacher(images)
    assert embeddings.dtype == torch.float32
    torch.testing.assert_close(embeddings, exact, rtol=0, atol=0.02)


def test_autocast_around_it_changes_nothing(teacher):
    images = torch.randn(2, 3, 32, 32)
    exact = teacher(images)
    with torch.autocast('cpu', torch.bfloat16):
        assert torch.equal(teacher(images), exact)


def test_wrong_image_size(teacher):
    with pytest.raises(ValueError, match=r'takes images of shape \(3, 32, 32\), not \(3, 64, 64\)'):
        teacher(torch.zeros(1, 3, 64, 64))
