"""Noisy queries of annotated pairs: noise, padding, groups and masks."""

import pytest
import torch
from mmdet.structures.bbox import bbox_cxcywh_to_xyxy
from mmengine.structures import InstanceData

from genvlkt_mmdet.models.layers import PairDenoising

O = 6  # noqa: E741


def build(queries=4, object_labels=(0, 2, 5), **kwargs):
    torch.manual_seed(0)
    return PairDenoising(8, O, queries, object_labels, **kwargs)


def targets(*counts, seed=0):
    generator = torch.Generator().manual_seed(seed)

    def boxes(count):
        return torch.cat([torch.full((count, 2), 0.5), 0.1 + 0.1 * torch.rand(count, 2, generator=generator)], 1)

    return [
        InstanceData(
            hoi_labels=torch.ones(count, 3),
            object_labels=torch.tensor([2, 5, 0, 2][:count], dtype=torch.long),
            human_boxes=boxes(count),
            object_boxes=boxes(count),
        )
        for count in counts
    ]


def test_mask_by_hand():
    """Two matching queries, then two groups for images with two pairs and one pair. 1: does not see."""
    noisy = build(queries=2, group_cfg=dict(dynamic=False, num_groups=2))(targets(2, 1), torch.randn(O, O))
    two_pairs = [
        [0, 0, 1, 1, 1, 1],
        [0, 0, 1, 1, 1, 1],
        [0, 0, 0, 0, 1, 1],
        [0, 0, 0, 0, 1, 1],
        [0, 0, 1, 1, 0, 0],
        [0, 0, 1, 1, 0, 0],
    ]
    one_pair = [
        [0, 0, 1, 1, 1, 1],
        [0, 0, 1, 1, 1, 1],
        [0, 0, 0, 1, 1, 1],
        [0, 0, 0, 0, 1, 1],  # padding
        [0, 0, 1, 1, 0, 1],
        [0, 0, 1, 1, 0, 0],  # padding
    ]
    assert noisy.query_mask.int().tolist() == [two_pairs, one_pair]


def test_which_query_belongs_to_which_pair():
    noisy = build(group_cfg=dict(dynamic=False, num_groups=2), negatives=True)(targets(1, 0, 2), torch.randn(O, O))
    # An image has (positive, negative) x 2 pairs in each of 2 groups.
    found = list(zip(noisy.images.tolist(), noisy.queries.tolist(), noisy.pairs.tolist(), strict=True))
    positive = [(0, 0, 0), (0, 4, 0), (2, 0, 1), (2, 1, 2), (2, 4, 1), (2, 5, 2)]
    assert found == positive + [(image, query + 2, pair) for image, query, pair in positive]
    assert noisy.num_positive == 6 and noisy.human_pos.shape == noisy.object_pos.shape == (3, 8, 8)


@pytest.mark.parametrize(('group_cfg', 'groups'), [
    (None, 33), (dict(num_dn_queries=7), 2), (dict(dynamic=True, num_dn_queries=2), 1), (dict(dynamic=False, num_groups=4), 4),
])  # fmt: skip
def test_number_of_groups_is_mmdets(group_cfg, groups):
    assert build(group_cfg=group_cfg).num_groups(3) == groups


def test_without_noise_a_query_has_the_embeddings_of_its_own_boxes_and_object():
    denoising = build(box_noise_scale=0, label_noise_scale=0, group_cfg=dict(dynamic=False, num_groups=3))
    (target,), weights = targets(2), torch.randn(O, O)
    noisy = denoising([target], weights)
    frequency = 10000 ** -torch.tensor([0.0, 0.0, 0.5, 0.5])  # pairs of sine and cosine, C / 2 = 4 for each number
    for group in range(3):
        for pair in range(2):
            query = 2 * group + pair
            for part, pos, embed in (
                ('human', noisy.human_pos, denoising.human_box),
                ('object', noisy.object_pos, denoising.object_box),
            ):
                cx, cy, w, h = target[f'{part}_boxes'][pair]
                angles = [2 * torch.pi * value * frequency for value in (cy, cx, w, h)]
                waves = torch.cat([torch.stack([a[0].sin(), a[1].cos(), a[2].sin(), a[3].cos()]) for a in angles])
                expected = embed(waves)
                if part == 'object':
                    expected = expected + denoising.object_label(weights[target.object_labels[pair]])
                torch.testing.assert_close(pos[0, query], expected, rtol=1e-4, atol=1e-5)


def test_noise_of_boxes():
    """Corners of positive queries move by less than half the size times the scale, those of negative ones by up to twice."""
    denoising = build(box_noise_scale=0.4)
    boxes = torch.tensor([0.5, 0.5, 0.2, 0.1]).expand(1, 4000, 4)
    kind = torch.arange(4000) % 2
    moved = bbox_cxcywh_to_xyxy(denoising._noisy_boxes(boxes, kind)) - bbox_cxcywh_to_xyxy(boxes)
    share = moved[0].abs() / torch.tensor([0.04, 0.02, 0.04, 0.02])
    positive, negative = share[kind == 0], share[kind == 1]
    assert positive.max() < 1 + 1e-4 and positive.max() > 0.99 and positive.min() < 0.01
    assert negative.max() < 2 + 1e-4 and negative.max() > 1.99 and negative.min() > 1 - 1e-4
    assert 0.45 < (moved > 0).float().mean() < 0.55
    clamped = bbox_cxcywh_to_xyxy(build(box_noise_scale=9)._noisy_boxes(boxes, kind))
    assert clamped.min() >= 0 and clamped.max() <= 1
    assert not denoising._noisy_boxes(torch.zeros(1, 3, 4), kind[:3]).any()  # a pair without object


def test_noise_of_labels():
    labels = torch.tensor([0, 2, 5]).repeat(1000)[None]
    assert torch.equal(build(label_noise_scale=0)._noisy_labels(labels), labels)
    others = build(label_noise_scale=2)._noisy_labels(labels)
    assert (others != labels).all() and set(others.unique().tolist()) == {0, 2, 5}
    assert 0.22 < (build(label_noise_scale=0.5)._noisy_labels(labels) != labels).float().mean() < 0.28
    assert build(object_labels=[2], label_noise_scale=2)._noisy_labels(torch.tensor([[2]])).tolist() == [[2]]


def test_queries_of_a_group_have_different_guides_as_far_as_there_are_enough():
    guides = build(queries=4)._guides(groups=50, size=4).view(50, 4)
    assert (guides.sort(1).values == torch.arange(4)).all() and len(guides.unique(dim=0)) > 10
    assert build(queries=4)._guides(groups=1, size=6).bincount().sort().values.tolist() == [1, 1, 2, 2]


def test_settings_out_of_range():
    for setting in (dict(label_noise_scale=3), dict(box_noise_scale=-1), dict(loss_weight=-1)):
        with pytest.raises(ValueError, match=f'denoising.{next(iter(setting))} must be'):
            build(**setting)
    for group_cfg in (dict(dynamic=False), dict(num_groups=3), dict(num_dn_queries=0), dict(num_dn_queries=2.5)):
        with pytest.raises(ValueError, match='denoising.group_cfg must be'):
            build(group_cfg=group_cfg)
