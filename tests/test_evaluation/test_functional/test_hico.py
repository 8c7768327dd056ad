"""The HICO-DET evaluation against the official programs, against a plain loop, and its properties."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genvlkt_mmdet.evaluation.functional import evaluate_hico, known_object_images, summarize_hico
from genvlkt_mmdet.structures import Triplets
from tests.test_evaluation.plain_hico import plain_hico

settings.register_profile('evaluation', max_examples=60, deadline=None)
settings.load_profile('evaluation')


def evaluate_fixture(fixture, key, protocol='official'):
    vocabulary = fixture.vocabulary
    known = known_object_images(
        fixture.gts.images, fixture.gts.labels, vocabulary.hoi_objects, len(fixture.images), vocabulary.num_objects
    )
    dets = fixture.triplets[key]
    return evaluate_hico(dets, fixture.gts, 600, protocol, known, vocabulary.hoi_objects)


@pytest.mark.parametrize('key', ['no_nms', 'nms'])
def test_equals_the_official_matlab_program(hico_fixture, key):
    expected = hico_fixture.matlab['matlab_colon_emulation'][key]
    for mode, result in zip(('def', 'ko'), evaluate_fixture(hico_fixture, key)):
        assert len(expected[mode]['ap']) == 419
        for hoi_id, ap in expected[mode]['ap'].items():
            assert result.ap[int(hoi_id) - 1] == pytest.approx(ap, abs=1e-9), hoi_id
            assert result.max_recall[int(hoi_id) - 1] == pytest.approx(expected[mode]['max_recall'][hoi_id], abs=1e-9)
        assert result.mean_ap() == pytest.approx(expected[mode]['official_mean_over_600']['full'], abs=1e-9)
        with_gt = np.flatnonzero(result.num_gt)
        assert result.mean_ap(with_gt) == pytest.approx(
            expected[mode]['mean_over_categories_with_gt']['full'], abs=1e-9
        )


@pytest.mark.parametrize('key', ['no_nms', 'nms'])
def test_qpic_equals_the_authors_python_evaluator(hico_fixture, key):
    expected = hico_fixture.python[key]
    result, _ = evaluate_fixture(hico_fixture, key, protocol='qpic')
    assert np.isnan(result.ap).sum() == 600 - len(expected['per_category'])
    for hoi_id, figures in expected['per_category'].items():
        i = int(hoi_id) - 1
        assert (result.num_gt[i], result.num_det[i]) == (figures['n_gt'], figures['n_det'])
        assert result.ap[i] == pytest.approx(figures['ap'], abs=1e-9), hoi_id
        assert result.max_recall[i] == pytest.approx(figures['max_recall'], abs=1e-9)
    assert result.mean_ap() == pytest.approx(expected['stats']['mAP'], abs=1e-9)
    assert result.mean_max_recall == pytest.approx(expected['stats']['mean max recall'], abs=1e-9)


def test_the_protocols_differ_where_the_programs_do(hico_fixture):
    official, _ = evaluate_fixture(hico_fixture, 'no_nms')
    qpic, _ = evaluate_fixture(hico_fixture, 'no_nms', protocol='qpic')
    differing = np.flatnonzero(np.abs(official.ap - np.nan_to_num(qpic.ap)) > 1e-9) + 1
    expected = hico_fixture.matlab['matlab_colon_emulation']['no_nms']['categories_where_python_ap_differs_from_def']
    assert differing.tolist() == sorted(int(hoi_id) for hoi_id in expected)


def box(x, y=0.0, size=9.0):
    return [x, y, x + size, y + size]


def one_class(dets, gts):
    """Dets: (image, human, object, score); gts: (image, human, object); one class."""
    det = Triplets(
        np.array([d[0] for d in dets]),
        np.array([d[1] for d in dets], float).reshape(-1, 4),
        np.array([d[2] for d in dets], float).reshape(-1, 4),
        np.zeros(len(dets), int),
        np.array([d[3] for d in dets], float),
    )
    gt = Triplets(
        np.array([g[0] for g in gts]),
        np.array([g[1] for g in gts], float).reshape(-1, 4),
        np.array([g[2] for g in gts], float).reshape(-1, 4),
        np.zeros(len(gts), int),
    )
    return evaluate_hico(det, gt, 1)[0]


def test_a_second_detection_of_a_pair_is_wrong_even_with_another_pair_at_hand():
    # the better of two pairs is claimed; the second detection overlaps the other pair by more than 0.5, in vain
    gts = [(0, box(0), box(50)), (0, box(3), box(50))]
    dets = [(0, box(0), box(50), 0.9), (0, box(1), box(50), 0.8)]
    result = one_class(dets, gts)
    assert result.num_tp.tolist() == [1]
    assert result.max_recall[0] == 0.5


def test_overlap_is_the_smaller_of_human_and_object():
    gts = [(0, box(0), box(50))]
    assert one_class([(0, box(0), box(56), 0.9)], gts).ap[0] == 0
    assert one_class([(0, box(6), box(50), 0.9)], gts).ap[0] == 0
    assert one_class([(0, box(2), box(52), 0.9)], gts).ap[0] == 1


def test_an_overlap_of_exactly_a_half_matches():
    gts = [(0, [0, 0, 9, 9], box(50))]
    assert one_class([(0, [0, 0, 9, 4], box(50), 0.9)], gts).ap[0] == 1


def test_detections_of_another_image_are_wrong():
    result = one_class([(1, box(0), box(50), 0.9), (0, box(0), box(50), 0.8)], [(0, box(0), box(50))])
    assert result.ap[0] == pytest.approx(0.5)
    assert result.num_det.tolist() == [2]


def test_pairs_without_object_need_no_object_box():
    nothing = [np.nan] * 4
    gts = [(0, box(0), nothing)]
    assert one_class([(0, box(0), nothing, 0.9)], gts).ap[0] == 1
    assert one_class([(0, box(0), box(50), 0.9)], gts).ap[0] == 0
    assert one_class([(0, box(0), nothing, 0.9)], [(0, box(0), box(50))]).ap[0] == 0


def test_known_object_leaves_out_images_without_the_object():
    def triplets(images, scores=None):
        boxes = np.tile([0.0, 0, 9, 9], (len(images), 1))
        return Triplets(np.array(images), boxes, boxes, np.zeros(len(images), int), scores)

    gts, dets = triplets([0, 2]), triplets([1, 0, 2], np.array([0.9, 0.8, 0.7]))
    known = np.array([[True], [False], [True]])
    default, known_object = evaluate_hico(dets, gts, 1, known_objects=known, hoi_objects=[0])
    assert default.ap[0] == pytest.approx(2 / 3) and default.num_det[0] == 3
    assert known_object.ap[0] == 1 and known_object.num_det[0] == 2
    # a label on image level without any box keeps the image
    _, known_object = evaluate_hico(dets, gts, 1, known_objects=np.ones((3, 1), bool), hoi_objects=[0])
    assert known_object.ap[0] == default.ap[0]
    # a class without object counts everywhere
    _, known_object = evaluate_hico(dets, gts, 1, known_objects=known & False, hoi_objects=[1])
    assert known_object.ap[0] == default.ap[0]


def test_summary_groups():
    boxes = np.tile([0.0, 0, 9, 9], (2, 1))
    gts = Triplets(np.array([0, 0]), boxes, boxes, np.array([0, 1]))
    dets = Triplets(np.array([0]), boxes[:1], boxes[:1], np.array([0]), np.array([0.5]))
    summary = summarize_hico(dets, gts, 1, [0, 0, 0], 1, rare=[1], non_rare=[0, 2], unseen=[0])
    figures = {key: summary['default'][key] for key in ('full', 'rare', 'non_rare', 'mean_max_recall', 'ap', 'num_gt')}
    assert figures == dict(
        full=pytest.approx(1 / 3),
        rare=0,
        non_rare=0.5,
        mean_max_recall=pytest.approx(1 / 3),
        ap=[1, 0, 0],
        num_gt=[1, 1, 0],
    )
    assert summary['zero_shot'] == dict(unseen=1, seen=0, full=pytest.approx(1 / 3))
    qpic = summarize_hico(dets, gts, 1, [0, 0, 0], 1, rare=[2], non_rare=[0, 1], protocol='qpic')
    assert qpic['default']['ap'] == [1, 0, None]
    assert (qpic['default']['full'], qpic['default']['rare']) == (0.5, None)
    assert 'rare' not in summarize_hico(dets, gts, 1, [0, 0, 0], 1)['default']


def test_unknown_protocol():
    nothing = Triplets.join([])
    with pytest.raises(ValueError, match="Unknown protocol 'matlab': choose one of official, qpic"):
        evaluate_hico(nothing, nothing, 1, protocol='matlab')


def make_case(seed, num_images=6, num_classes=3, num_gt=12, num_det=40, distinct_scores=True):
    """A small data set on a coarse grid, so that overlaps tie and pairs are claimed twice."""
    rng = np.random.default_rng(seed)

    def boxes(n):
        corner = rng.integers(0, 3, (n, 2)) * 3.0
        return np.concatenate([corner, corner + rng.integers(6, 12, (n, 2))], axis=1)

    gts = Triplets(
        rng.integers(0, num_images, num_gt), boxes(num_gt), boxes(num_gt), rng.integers(0, num_classes, num_gt)
    )
    scores = rng.permutation(num_det) / num_det if distinct_scores else rng.integers(0, 4, num_det) / 4
    dets = Triplets(
        rng.integers(0, num_images, num_det),
        boxes(num_det),
        boxes(num_det),
        rng.integers(0, num_classes, num_det),
        scores,
    )
    near = rng.random(num_det) < 0.5
    target = rng.integers(0, num_gt, num_det)[near]
    dets.images[near], dets.labels[near] = gts.images[target], gts.labels[target]
    dets.human_boxes[near], dets.object_boxes[near] = gts.human_boxes[target], gts.object_boxes[target]
    return dets, gts


@given(st.integers(0, 10**6))
def test_equals_a_plain_loop(seed):
    dets, gts = make_case(seed)
    known = np.random.default_rng(seed).random((6, 2)) < 0.6
    hoi_objects = [0, 1, 1]
    default, known_object = evaluate_hico(dets, gts, 3, known_objects=known, hoi_objects=hoi_objects)
    np.testing.assert_allclose(default.ap, plain_hico(dets, gts, 3), atol=1e-12)
    # the official program also drops the ground truth of images without the object; there is none by definition
    has_object = known[gts.images, np.array(hoi_objects)[gts.labels]]
    gts = gts[has_object]
    _, known_object = evaluate_hico(dets, gts, 3, known_objects=known, hoi_objects=hoi_objects)
    np.testing.assert_allclose(known_object.ap, plain_hico(dets, gts, 3, known, hoi_objects), atol=1e-12)


@given(st.integers(0, 10**6))
def test_the_order_of_images_and_detections_does_not_matter(seed):
    dets, gts = make_case(seed)
    rng = np.random.default_rng(seed + 1)
    number = rng.permutation(6)  # other numbers for the images
    shuffled = dets[rng.permutation(len(dets))]
    other = Triplets(
        number[shuffled.images], shuffled.human_boxes, shuffled.object_boxes, shuffled.labels, shuffled.scores
    )
    gts_other = Triplets(number[gts.images], gts.human_boxes, gts.object_boxes, gts.labels)
    expected, result = evaluate_hico(dets, gts, 3)[0], evaluate_hico(other, gts_other, 3)[0]
    assert result.ap.tolist() == expected.ap.tolist()
    assert result.num_tp.tolist() == expected.num_tp.tolist()


@given(st.integers(0, 10**6))
def test_ties_are_stable(seed):
    """With equal scores the order within an image decides, wherever the detections of other images stand."""
    dets, gts = make_case(seed, distinct_scores=False)
    by_image = dets[np.argsort(dets.images, kind='stable')]
    order = np.random.default_rng(seed).permutation(6)[by_image.images].argsort(kind='stable')
    result, again = evaluate_hico(by_image, gts, 3)[0], evaluate_hico(by_image[order], gts, 3)[0]
    assert result.ap.tolist() == again.ap.tolist()
    assert result.ap.tolist() == evaluate_hico(dets, gts, 3)[0].ap.tolist()


@given(st.integers(0, 10**6), st.floats(-0.1, 1.1))
def test_a_false_positive_never_raises_ap(seed, score):
    dets, gts = make_case(seed)
    far = np.array([[900.0, 900, 910, 910]])
    rng = np.random.default_rng(seed)
    wrong = Triplets(
        np.append(dets.images, rng.integers(0, 6)),
        np.append(dets.human_boxes, far, axis=0),
        np.append(dets.object_boxes, far, axis=0),
        np.append(dets.labels, rng.integers(0, 3)),
        np.append(dets.scores, score),
    )
    assert (evaluate_hico(wrong, gts, 3)[0].ap <= evaluate_hico(dets, gts, 3)[0].ap + 1e-15).all()


@given(st.integers(0, 10**6))
def test_ap_and_recall_stay_in_range(seed):
    result = evaluate_hico(*make_case(seed), 3)[0]
    assert ((result.ap >= 0) & (result.ap <= 1)).all()
    assert ((result.max_recall >= 0) & (result.max_recall <= 1)).all()
    assert (result.num_tp <= np.minimum(result.num_gt, result.num_det)).all()
