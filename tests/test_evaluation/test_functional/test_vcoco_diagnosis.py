"""The diagnosis of V-COCO's roles: the numbers of the official scripts, and the mAP of the evaluation."""

import json
from dataclasses import replace

import numpy as np
import pytest

from genvlkt_mmdet.evaluation import load_detections
from genvlkt_mmdet.evaluation.evaluate import diagnose_detections, evaluate_detections
from genvlkt_mmdet.evaluation.functional import (
    VCOCODetections,
    VCOCOGroundTruth,
    diagnose_vcoco,
    fix_errors,
    interaction_ap,
    localisation,
    verb_confusion,
)
from genvlkt_mmdet.evaluation.functional.vcoco_diagnosis import VCOCO_RULES
from genvlkt_mmdet.vocabulary import action_slots
from tests.shared import shared_path
from tests.test_evaluation import plain_diagnosis as plain

FIX_NAMES = plain.FIXES | dict(fp='false_positives', fn='false_negatives')


@pytest.fixture(scope='module')
def detections(vcoco_fixture):
    return load_detections(vcoco_fixture.paths.results, vcoco_fixture.images, 'vcoco')


@pytest.fixture(scope='module')
def reference(vcoco_fixture):
    """Their numbers, with indices of all images in the order of ours."""
    arrays = np.load(shared_path('reference', 'diagnosis_vcoco_flags.npz'))
    _, slots = action_slots(vcoco_fixture.vocabulary)
    verbs = {(action, slot): verb for verb, (action, slot) in enumerate(slots) if slot is not None}
    roles = sorted(verbs.values())
    wanted = {image['img_id'] for image in vcoco_fixture.images}
    kept = [i for i, person in enumerate(vcoco_fixture.people) if person['image_id'] in wanted]
    people = dict(zip(kept, range(len(kept))))
    rows = zip(arrays['pred_detection'], arrays['pred_action'], arrays['pred_role'])
    det = np.array([people[i] * len(roles) + roles.index(verbs[a, r]) for i, a, r in rows])

    position = {image['img_id']: i for i, image in enumerate(vcoco_fixture.images)}
    images = np.repeat([position[i] for i in arrays['image_id']], np.diff(arrays['gt_offset']))
    order = np.argsort(images, kind='stable')

    def of_gt(key):
        start = np.repeat(arrays['pred_offset'][:-1].astype(int), np.diff(arrays['gt_offset']))
        values = arrays[key].astype(int)
        return np.where(values >= 0, det[values + start], -1)[order]

    content = json.loads(shared_path('reference', 'diagnosis_vcoco.json').read_text())
    keys = ('gt_tp', 'gt_best', 'gt_best_right_boxes')
    return dict(content, det=det, flag=arrays['flag'], score=arrays['pred_score'], **{key: of_gt(key) for key in keys})


@pytest.mark.parametrize('right_boxes', [False, True])
def test_the_official_scripts(detections, vcoco_fixture, reference, right_boxes):
    rules = replace(VCOCO_RULES['diag-hoi'], right_boxes=right_boxes)
    diagnosis = diagnose_detections(detections, vcoco_fixture.images, 'vcoco', rules if right_boxes else 'diag-hoi')
    np.testing.assert_array_equal(diagnosis.dets.scores[reference['det']], reference['score'])
    np.testing.assert_array_equal(diagnosis.errors[reference['det']], reference['flag'])
    np.testing.assert_array_equal(diagnosis.found, reference['gt_tp'])
    np.testing.assert_array_equal(diagnosis.best, reference['gt_best_right_boxes' if right_boxes else 'gt_best'])
    results = fix_errors(diagnosis)
    verbs = vcoco_fixture.vocabulary.verb_names
    for name, expected in reference['best_match_with_right_boxes' if right_boxes else 'released'].items():
        result = results[FIX_NAMES[name]]
        # Their released numbers are float32.
        exact = dict(abs=1e-9 if right_boxes else 1e-6)
        assert diagnosis.mean_ap(result) == pytest.approx(expected['mean25'], **exact), name
        assert {role: result.ap[verbs.index(role)] for role in expected['ap']} == pytest.approx(expected['ap'], **exact)
    assert (
        diagnosis.missing.sum() == reference['missing_gt']['best_match_with_right_boxes' if right_boxes else 'released']
    )
    figures = reference['action_map_called_directly']
    result = interaction_ap(diagnosis)
    assert result.ap[diagnosis.in_mean].mean() == pytest.approx(figures['mean25'], abs=1e-6)


def test_the_map_is_the_official_one(detections, vcoco_fixture):
    diagnosis = diagnose_detections(detections, vcoco_fixture.images, 'vcoco')
    expected = evaluate_detections(detections, vcoco_fixture.images, 'vcoco')['scenario_1']
    result = fix_errors(diagnosis, ['none'])['none']
    assert diagnosis.mean_ap(result) == pytest.approx(expected['mean_25'], abs=1e-12)
    verbs = vcoco_fixture.vocabulary.verb_names
    assert {role: result.ap[verbs.index(role)] for role in expected['ap']} == pytest.approx(expected['ap'], abs=1e-12)


def test_pairs_and_confusions(detections, vcoco_fixture):
    diagnosis = diagnose_detections(detections, vcoco_fixture.images, 'vcoco')
    pairs = localisation(diagnosis)
    assert 0 < pairs['hit'] < pairs['annotated'] and 0 < pairs['right'] < pairs['detected']
    assert pairs['recall'] == pairs['hit'] / pairs['annotated']
    table = verb_confusion(diagnosis)
    own, other, count = table[np.argmax(table[:, 2])]
    assert own == other and count > 10  # the most frequent answer is the right one
    assert table[:, 2].sum() <= len(diagnosis.gts)


def test_protocols(detections, vcoco_fixture):
    with pytest.raises(ValueError, match='for V-COCO choose one of official, diag-hoi'):
        diagnose_detections(detections, vcoco_fixture.images, 'vcoco', 'clean')


def random_image(rng, slots):
    """An image in which boxes and scores coincide often."""

    def box():
        x, y = rng.integers(0, 4, 2) * 20
        return tuple(float(v) for v in (x, y, x + rng.choice([20, 30, 40]), y + rng.choice([20, 30, 40])))

    things = [box() for _ in range(rng.integers(0, 3))]
    persons = []
    for _ in range(rng.integers(0, 4)):
        roles = {}
        for verb in slots:
            if rng.random() < 0.4:
                roles[verb] = things[rng.integers(len(things))] if things and rng.random() < 0.7 else None
        persons.append(dict(box=box(), annotated=rng.random() < 0.8, roles=roles))
    for person in persons:
        if not person['annotated']:
            person['roles'] = {}
    known = [*things, *(person['box'] for person in persons)]

    def some():
        return known[rng.integers(len(known))] if known and rng.random() < 0.7 else box()

    preds = []
    for _ in range(rng.integers(0, 8)):
        roles = {
            verb: (None if rng.random() < 0.3 else some(), float(rng.integers(6)) / 8)
            for verb in slots
            if rng.random() < 0.7
        }
        preds.append((some(), roles))
    return dict(persons=persons, boxes=[*things, *(person['box'] for person in persons), box()], preds=preds)


@pytest.mark.parametrize('right_boxes', [False, True])
def test_random_cases_against_plain_loops(right_boxes):
    all_slots = [(0, 0), (1, None), (2, 0), (2, 1)]  # the second has no role
    slots = {verb: slot for verb, slot in enumerate(all_slots) if slot[1] is not None}
    nan = (np.nan,) * 4
    seen = np.zeros(8, dtype=int)
    for seed in range(120):
        rng = np.random.default_rng(seed)
        images = [random_image(rng, slots) for _ in range(4)]
        people = [(i, person) for i, image in enumerate(images) for person in image['persons']]
        actions, objects = np.zeros((len(people), 3), dtype=bool), np.full((len(people), 3, 2, 4), np.nan, np.float32)
        for p, (_, person) in enumerate(people):
            for verb, target in person['roles'].items():
                action, slot = slots[verb]
                actions[p, action] = True
                objects[p, action, slot] = nan if target is None else target
        gts = VCOCOGroundTruth(
            np.array([i for i, _ in people], dtype=np.int64),
            np.array([person['box'] for _, person in people], dtype=np.float32).reshape(-1, 4),
            np.array([person['annotated'] for _, person in people], dtype=bool),
            actions,
            objects,
        )
        preds = [(i, pred) for i, image in enumerate(images) for pred in image['preds']]
        roles = [(d, verb, *role) for d, (_, pred) in enumerate(preds) for verb, role in pred[1].items()]
        none = np.zeros(0, dtype=np.int64)
        dets = VCOCODetections(
            np.array([i for i, _ in preds], dtype=np.int64),
            np.array([pred[0] for _, pred in preds], dtype=np.float32).reshape(-1, 4),
            np.array([role[0] for role in roles], dtype=np.int64),
            np.array([role[1] for role in roles], dtype=np.int64),
            np.array([nan if role[2] is None else role[2] for role in roles], dtype=np.float32).reshape(-1, 4),
            np.array([role[3] for role in roles], dtype=np.float32),
            none,
            none,
            none.astype(np.float32),
        )
        boxes = [(i, box) for i, image in enumerate(images) for box in image['boxes']]
        boxes = np.array([i for i, _ in boxes]), np.array([box for _, box in boxes], dtype=np.float32)
        rules = replace(VCOCO_RULES['diag-hoi'], right_boxes=right_boxes)
        diagnosis = diagnose_vcoco(dets, gts, all_slots, boxes, len(images), rules)

        errors, found, best, starts = [], [], [], {}
        for row, (d, verb, *_) in enumerate(roles):
            starts[d, verb] = row
        first = 0
        for image in images:
            flags, annotated, gt_tp, gt_best = plain.diagnose_vcoco_image(image, slots, right_boxes)
            rows = {(d, verb): starts[first + d, verb] for d, verb in flags}
            errors += [flags[key] for key in sorted(flags, key=rows.get)]
            found += [rows[gt_tp[key]] if key in gt_tp else -1 for key in annotated]
            best += [rows[gt_best[key]] if key in gt_best else -1 for key in annotated]
            first += len(image['preds'])
        assert diagnosis.errors.tolist() == errors, seed
        assert diagnosis.found.tolist() == found, seed
        assert diagnosis.best.tolist() == best, seed
        seen += np.bincount(diagnosis.errors + 1, minlength=8)
    assert seen.min() > 10
