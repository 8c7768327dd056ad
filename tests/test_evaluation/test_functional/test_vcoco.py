"""The V-COCO evaluation against the official program, against a plain loop, and its properties."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genvlkt_mmdet.evaluation import Detections, evaluate_detections, load_detections
from genvlkt_mmdet.evaluation.functional import (
    VCOCODetections,
    VCOCOGroundTruth,
    evaluate_vcoco,
    summarize_vcoco,
)
from genvlkt_mmdet.structures import Triplets
from genvlkt_mmdet.vocabulary import action_slots

settings.register_profile('evaluation', max_examples=60, deadline=None)
settings.load_profile('evaluation')

# two actions: one with two roles, one without object
SLOTS = [(0, 0), (0, 1), (1, None)]


def test_equals_the_official_program(vcoco_fixture):
    detections = load_detections(vcoco_fixture.paths.results, vcoco_fixture.images, 'vcoco')
    summary = evaluate_detections(detections, vcoco_fixture.images, 'vcoco')
    expected = vcoco_fixture.expected
    for scenario in ('scenario_1', 'scenario_2'):
        roles = expected[f'role_ap_{scenario}']
        assert len(roles) == 25 and set(summary[scenario]['ap']) == set(roles)
        for name, figures in roles.items():
            assert summary[scenario]['ap'][name] == pytest.approx(figures['ap'], abs=1e-6), name
        assert summary[scenario]['mean_25'] == pytest.approx(expected[f'role_ap_mean_{scenario}'], abs=1e-6)
        assert summary[scenario]['mean_24'] == pytest.approx(
            expected[f'role_ap_mean_without_point_{scenario}'], abs=1e-6
        )
    assert set(summary['agent']['ap']) == set(expected['agent_ap'])
    for name, figures in expected['agent_ap'].items():
        assert summary['agent']['ap'][name] == pytest.approx(figures['ap'], abs=1e-6), name
    assert summary['agent']['mean'] == pytest.approx(expected['agent_ap_mean'], abs=1e-6)
    assert (summary['num_images'], summary['missing_images'], detections.num_foreign) == (200, 5, 1)


def test_the_vocabulary_has_the_official_roles(vcoco_fixture):
    vocabulary = vcoco_fixture.vocabulary
    actions, slots = action_slots(vocabulary)
    assert actions == list(vcoco_fixture.expected['agent_ap'])
    roles = [name for name, (_, slot) in zip(vocabulary.verb_names, slots) if slot is not None]
    assert roles == list(vcoco_fixture.expected['role_ap_scenario_1'])
    assert slots[vocabulary.verb_names.index('eat_instr')] == (actions.index('eat'), 1)
    assert slots[vocabulary.verb_names.index('smile')] == (actions.index('smile'), None)


PERSON, OTHER, CUP = [0.0, 0, 9, 9], [100.0, 0, 109, 9], [50.0, 50, 59, 59]
NOTHING = [np.nan] * 4


def ground_truth(persons):
    """Persons of one image: (box, (action 0, action 1) or None, object boxes of action 0's roles)."""
    boxes, actions, roles = [], [], []
    for box, doing, objects in persons:
        boxes.append(box)
        actions.append([-1, -1] if doing is None else doing)
        roles.append([objects, [NOTHING, NOTHING]])
    return VCOCOGroundTruth(
        np.zeros(len(persons), int),
        np.array(boxes, np.float32).reshape(-1, 4),
        np.array([doing is not None for _, doing, _ in persons], bool),
        np.array(actions, int).reshape(-1, 2) == 1,
        np.array(roles, np.float32).reshape(-1, 2, 2, 4),
    )


def detect(rows):
    """Triplets of one image: (person box, object box, verb, score)."""
    triplets = Triplets(
        np.zeros(len(rows), int),
        np.array([row[0] for row in rows], float).reshape(-1, 4),
        np.array([row[1] for row in rows], float).reshape(-1, 4),
        np.array([row[2] for row in rows], int),
        np.array([row[3] for row in rows], float),
    )
    return VCOCODetections.from_triplets(triplets, SLOTS)


@pytest.mark.parametrize(
    'predicted, scenario_1, scenario_2', [(NOTHING, 1, 1), ([0.0] * 4, 1, 1), (CUP, 0, 1), (OTHER, 0, 1)]
)
def test_role_without_object(predicted, scenario_1, scenario_2):
    gts = ground_truth([(PERSON, (1, 0), [NOTHING, NOTHING])])
    first, second, _ = evaluate_vcoco(detect([(PERSON, predicted, 0, 0.9)]), gts, SLOTS)
    assert (first[0], second[0]) == (scenario_1, scenario_2)


@pytest.mark.parametrize('predicted, ap', [(CUP, 1), (NOTHING, 0), (OTHER, 0), ([50.0, 50, 59, 54], 1)])
def test_role_with_object(predicted, ap):
    gts = ground_truth([(PERSON, (1, 0), [CUP, NOTHING])])
    first, second, agent = evaluate_vcoco(detect([(PERSON, predicted, 0, 0.9)]), gts, SLOTS)
    assert (first[0], second[0], agent[0]) == (ap, ap, 1)


def test_a_person_without_annotation_is_skipped_not_punished():
    gts = ground_truth([(PERSON, (1, 0), [CUP, NOTHING]), (OTHER, None, [NOTHING, NOTHING])])
    rows = [(OTHER, CUP, 0, 0.99), (PERSON, CUP, 0, 0.5)]
    first, _, agent = evaluate_vcoco(detect(rows), gts, SLOTS)
    assert (first[0], agent[0]) == (1, 1)


def test_a_claimed_person_makes_the_next_detection_wrong():
    gts = ground_truth([(PERSON, (1, 0), [CUP, NOTHING]), (OTHER, (1, 0), [CUP, NOTHING])])
    rows = [(PERSON, CUP, 0, 0.9), ([0.0, 0, 9, 8], CUP, 0, 0.8), (OTHER, CUP, 0, 0.7)]
    first, _, agent = evaluate_vcoco(detect(rows), gts, SLOTS)
    # right, wrong, right of two persons: envelope 1 up to recall 1/2, then 2/3
    assert first[0] == pytest.approx(0.5 + 0.5 * 2 / 3)
    assert agent[0] == pytest.approx(0.5 + 0.5 * 2 / 3)


def test_recall_counts_the_persons_that_do_the_action():
    gts = ground_truth([(PERSON, (1, 0), [CUP, NOTHING]), (OTHER, (1, 0), [NOTHING, NOTHING])])
    first, second, _ = evaluate_vcoco(detect([(PERSON, CUP, 0, 0.9)]), gts, SLOTS)
    assert (first[0], second[0]) == (0.5, 0.5)


def test_an_image_without_persons_does_not_crash():
    gts = ground_truth([])
    first, second, agent = evaluate_vcoco(detect([(PERSON, CUP, 0, 0.9)]), gts, SLOTS)
    assert np.isnan(first).all() and np.isnan(second).all() and np.isnan(agent).all()
    summary = summarize_vcoco(detect([]), gts, ['hit_instr', 'hit_obj', 'run'], ['hit', 'run'], SLOTS)
    assert summary['scenario_1'] == dict(mean_24=None, mean_25=None, ap={'hit_instr': None, 'hit_obj': None})


def test_detections_of_an_image_without_persons_are_wrong():
    person = ground_truth([(PERSON, (1, 0), [CUP, NOTHING])])
    dets = detect([(PERSON, CUP, 0, 0.9), (OTHER, CUP, 0, 0.95)])
    dets.images[1] = 1
    first, _, agent = evaluate_vcoco(dets, person, SLOTS)
    assert (first[0], agent[0]) == (0.5, 0.5)


def test_triplets_of_one_pair_are_one_person():
    rows = [(PERSON, CUP, 0, 0.3), (PERSON, CUP, 1, 0.8), (PERSON, NOTHING, 0, 0.5), (PERSON, CUP, 2, 0.1)]
    dets = detect(rows)
    assert dets.boxes.tolist() == [PERSON, PERSON]
    assert dets.role_persons.tolist() == [0, 0, 1] and dets.role_labels.tolist() == [0, 1, 0]
    # the better role is the score of the action
    found = sorted(zip(dets.agent_persons.tolist(), dets.agent_actions.tolist(), dets.agent_scores.tolist()))
    assert found == [(0, 0, pytest.approx(0.8)), (0, 1, pytest.approx(0.1)), (1, 0, pytest.approx(0.5))]


def overlap(a, b):
    width = max(min(a[2], b[2]) - max(a[0], b[0]) + 1, 0)
    height = max(min(a[3], b[3]) - max(a[1], b[1]) + 1, 0)
    areas = [(box[2] - box[0] + 1) * (box[3] - box[1] + 1) for box in (a, b)]
    return width * height / (sum(areas) - width * height)


def plain_role_ap(dets, gts, verb, scenario):
    """Role AP as a loop over detections, written from the description in the docs."""
    action, slot = SLOTS[verb]
    rows = [
        (score, dets.images[person], dets.boxes[person], box)
        for person, label, box, score in zip(dets.role_persons, dets.role_labels, dets.role_boxes, dets.role_scores)
        if label == verb
    ]
    claimed, correct = set(), []
    for _, image, human, box in sorted(rows, key=lambda row: -row[0]):
        persons = [p for p in range(len(gts.images)) if gts.images[p] == image]
        overlaps = [overlap(human, gts.boxes[p]) for p in persons]
        right = False
        if persons:
            best = int(np.argmax(overlaps))
            person = persons[best]
            if not gts.annotated[person]:
                continue
            target = gts.role_boxes[person, action, slot]
            if np.isnan(target).all():
                agrees = scenario == 2 or np.isnan(box).all() or (box == 0).all()
            else:
                agrees = not np.isnan(box).any() and overlap(target, box) >= 0.5
            right = gts.actions[person, action] and overlaps[best] >= 0.5 and agrees and person not in claimed
            if right:
                claimed.add(person)
        correct.append(bool(right))
    total = gts.actions[:, action].sum()
    if not total:
        return np.nan
    hits = np.cumsum(correct)
    precision = hits / np.arange(1, len(hits) + 1)
    area, previous = 0.0, 0.0
    for i, recall in enumerate(hits / total):
        area += (recall - previous) * precision[i:].max()
        previous = recall
    return area


def make_case(seed):
    rng = np.random.default_rng(seed)

    def boxes(n):
        corner = rng.integers(0, 3, (n, 2)) * 4.0
        return np.concatenate([corner, corner + rng.integers(6, 12, (n, 2))], axis=1).astype(np.float32)

    n, m = 10, 30
    annotated = rng.random(n) < 0.8
    roles = boxes(n * 4).reshape(n, 2, 2, 4)
    roles[rng.random((n, 2, 2)) < 0.4] = np.nan
    gts = VCOCOGroundTruth(
        np.sort(rng.integers(0, 4, n)), boxes(n), annotated, (rng.random((n, 2)) < 0.6) & annotated[:, None], roles
    )
    objects = boxes(m).astype(np.float64)
    objects[rng.random(m) < 0.3] = np.nan
    humans = boxes(m).astype(np.float64)
    images = rng.integers(0, 5, m)
    near = np.flatnonzero(rng.random(m) < 0.6)
    target = rng.integers(0, n, len(near))
    images[near], humans[near] = gts.images[target], gts.boxes[target]
    triplets = Triplets(images, humans, objects, rng.integers(0, 3, m), (rng.permutation(m) + 1) / m)
    return triplets, gts


@given(st.integers(0, 10**6))
def test_equals_a_plain_loop(seed):
    triplets, gts = make_case(seed)
    dets = VCOCODetections.from_triplets(triplets, SLOTS)
    first, second, _ = evaluate_vcoco(dets, gts, SLOTS)
    for verb in (0, 1):
        assert first[verb] == pytest.approx(plain_role_ap(dets, gts, verb, 1), abs=1e-9, nan_ok=True)
        assert second[verb] == pytest.approx(plain_role_ap(dets, gts, verb, 2), abs=1e-9, nan_ok=True)
    assert np.isnan(first[2]) and np.isnan(second[2])


@given(st.integers(0, 10**6))
def test_order_does_not_matter_and_scenario_2_is_no_stricter(seed):
    triplets, gts = make_case(seed)
    expected = evaluate_vcoco(VCOCODetections.from_triplets(triplets, SLOTS), gts, SLOTS)
    order = np.random.default_rng(seed).permutation(len(triplets))
    again = evaluate_vcoco(VCOCODetections.from_triplets(triplets[order], SLOTS), gts, SLOTS)
    for a, b in zip(expected, again):
        np.testing.assert_array_equal(a, b)
    assert (np.nan_to_num(expected[1]) >= np.nan_to_num(expected[0])).all()


def test_protocol_and_zero_shot_are_not_for_vcoco(vcoco_fixture):
    nothing = Detections(Triplets.join([]))
    with pytest.raises(ValueError, match="V-COCO has the protocol 'official' only"):
        evaluate_detections(nothing, vcoco_fixture.images, 'vcoco', protocol='qpic')
