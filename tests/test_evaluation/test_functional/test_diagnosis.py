"""The diagnosis of HICO-DET: a case by hand, the numbers of the official scripts, and random cases against plain loops."""

import json
from dataclasses import replace

import numpy as np
import pytest

from genvlkt_mmdet.evaluation.evaluate import diagnose_detections, evaluate_detections
from genvlkt_mmdet.evaluation.functional import (
    FIXES,
    diagnose_hico,
    fix_errors,
    interaction_ap,
    localisation,
    no_interaction_ap,
    verb_confusion,
)
from genvlkt_mmdet.evaluation.functional.average_precision import MATLAB_THRESHOLDS
from genvlkt_mmdet.evaluation.functional.diagnosis import ERRORS, Rules
from genvlkt_mmdet.evaluation.functional.hico_diagnosis import HICO_RULES
from genvlkt_mmdet.evaluation.io import Detections
from genvlkt_mmdet.structures import GroundTruth, Triplets
from tests.shared import shared_path
from tests.test_evaluation import plain_diagnosis as plain

NO_INTERACTION = 57


def boxes_of(entries):
    return (
        np.repeat(np.arange(len(entries)), [len(entry.boxes) for entry in entries]),
        np.concatenate([entry.boxes for entry in entries]).astype(np.float64),
        np.concatenate([entry.box_labels for entry in entries]),
    )


@pytest.fixture(scope='module')
def toy(hico_fixture):
    """Three images, worked out by hand."""
    content = json.loads(shared_path('reference', 'diagnosis_toy.json').read_text())
    dets, entries = [], []
    for image in content['images']:
        gt_boxes = np.array([box['bbox'] for box in image['gt_boxes']])
        boxes = np.array(image['boxes']).reshape(-1, 4)
        ends = [[row[key] for row in image['gt']] for key in ('human', 'object')]
        hois = [row['hoi'] - 1 for row in image['gt']]
        triplets = Triplets.of_image(*(gt_boxes[end] for end in ends), hois)
        entries.append(
            GroundTruth(triplets, boxes=gt_boxes, box_labels=np.array([box['category'] for box in image['gt_boxes']]))
        )
        ends = [np.array([row[key] for row in image['predictions']], dtype=int) for key in ('human', 'object')]
        hois = [row['hoi'] - 1 for row in image['predictions']]
        dets.append(Triplets.of_image(*(boxes[end] for end in ends), hois, [r['score'] for r in image['predictions']]))
    return content, Triplets.join(dets), entries


@pytest.mark.parametrize('protocol', ['released', 'clean'])
def test_case_by_hand(toy, hico_fixture, protocol):
    content, dets, entries = toy
    expected = content['expected'][protocol]
    images = [dict(eval_gt=entry) for entry in entries]
    rules = protocol if protocol == 'clean' else 'diag-hoi'
    diagnosis = diagnose_detections(Detections(dets), images, hico_fixture.vocabulary, rules)
    assert diagnosis.errors.tolist() == sum(expected['flag'], [])
    assert diagnosis.found.tolist() == sum(expected['gt_tp'], [])
    assert diagnosis.best.tolist() == sum(expected['gt_best'], [])
    results = fix_errors(diagnosis)
    for name, fix in plain.FIXES.items():
        assert diagnosis.mean_ap(results[fix]) == pytest.approx(expected['fixes'][name]['map'], abs=1e-12), name
        own = {str(i + 1): results[fix].ap[i] for i in np.flatnonzero(~np.isnan(results[fix].ap))}
        assert own == pytest.approx(expected['fixes'][name]['ap']), name
        num_gt = results[fix].num_gt
        assert {str(i + 1): num_gt[i] for i in np.flatnonzero(num_gt)} == expected['fixes'][name]['n_gt'], name
    pairs = localisation(diagnosis)
    assert (pairs['hit'], pairs['annotated'], pairs['detected']) == ((2, 4, 7))
    # p0, p1 and p3 are right; the official scripts credit the first one of each annotated pair, which p0 and p1 are.
    assert pairs['right'] == 2
    assert pairs['pairs_per_image'] == pytest.approx(7 / 3)
    # g0 is named; g1 and g2 are taken for 'carry', whose score is higher than that of any detection of theirs on this pair.
    assert verb_confusion(diagnosis).tolist() == [[11, 10, 1], [18, 10, 1], [18, 18, 1]]


@pytest.mark.parametrize(
    'protocol, flags, correct', [('diag-hoi', [6, -1], [False, False]), ('clean', [0, 6], [True, False])]
)
def test_a_right_detection_twice(protocol, flags, correct):
    person, bicycle = np.array([[0.0, 0, 99, 199]]), np.array([[50.0, 100, 199, 249]])
    gts = Triplets.join([Triplets.of_image(person, bicycle, [0])])
    dets = Triplets.join([Triplets.of_image(np.repeat(person, 2, 0), np.repeat(bicycle, 2, 0), [0, 0], [0.9, 0.9])])
    diagnosis = diagnose_hico(dets, gts, 1, [0], [1], protocol=protocol)
    assert diagnosis.errors.tolist() == flags
    assert (diagnosis.found.tolist(), diagnosis.best.tolist()) == ([0], [-1])
    results = fix_errors(diagnosis)
    false = {fix: int(result.num_det.sum() - result.num_tp.sum()) for fix, result in results.items()}
    if protocol == 'diag-hoi':
        assert [false[fix] for fix in ('none', 'missing', 'duplicate', 'human_box', 'interaction')] == [2, 2, 0, 1, 1]
    else:
        assert [false[fix] for fix in ('none', 'missing', 'duplicate', 'human_box', 'interaction')] == [1, 1, 0, 1, 1]


@pytest.fixture(scope='module')
def reference():
    content = json.loads(shared_path('reference', 'diagnosis_hico.json').read_text())
    return content, np.load(shared_path('reference', 'diagnosis_hico_flags.npz'))


@pytest.fixture(scope='module')
def diagnoses(hico_fixture):
    """Diagnoses of the 174 images by protocol."""
    detections = Detections(hico_fixture.triplets['no_nms'])
    return {name: diagnose_detections(detections, hico_fixture.images, 'hico', name) for name in HICO_RULES}


def whole(values, offsets, owners):
    """Indices within an image as indices of all images."""
    values = values.astype(int)
    return np.where(values >= 0, values + np.repeat(offsets[:-1].astype(int), np.diff(owners)), -1)


@pytest.mark.parametrize('name, protocol', [('released', 'diag-hoi'), ('clean', 'clean')])
def test_errors_and_matches_of_the_official_scripts(diagnoses, reference, name, protocol):
    diagnosis, (content, arrays) = diagnoses[protocol], reference
    det_at, gt_at = arrays['pred_offset'], arrays['gt_offset']
    np.testing.assert_array_equal(diagnosis.errors, arrays[f'{name}/flag'])
    np.testing.assert_array_equal(diagnosis.targets, whole(arrays[f'{name}/pred_gt'], gt_at, det_at))
    np.testing.assert_array_equal(diagnosis.found, whole(arrays[f'{name}/gt_tp'], det_at, gt_at))
    np.testing.assert_array_equal(diagnosis.best, whole(arrays[f'{name}/gt_best'], det_at, gt_at))
    assert diagnosis.missing.sum() == content['missing_gt'][name]


def rare_groups(hico_fixture):
    training = json.loads(shared_path('reference', 'hico_eval_trainval_hico.json').read_text())
    hois = [hoi['hoi_category_id'] - 1 for image in training for hoi in image['hoi_annotation']]
    counts = np.bincount(hois, minlength=600)
    return dict(rare=np.flatnonzero((counts > 0) & (counts < 10)), non_rare=np.flatnonzero(counts >= 10))


def test_fixes_of_the_official_scripts(hico_fixture, diagnoses, reference):
    diagnosis, content = diagnoses['diag-hoi'], reference[0]
    results = fix_errors(diagnosis)
    groups = rare_groups(hico_fixture)
    for name, expected in content['released'].items():
        result = results[plain.FIXES[name]]
        assert diagnosis.mean_ap(result) == pytest.approx(expected['map'], abs=1e-9)
        assert np.nanmean(result.max_recall) == pytest.approx(expected['mean_max_recall'], abs=1e-9)
        assert np.isfinite(result.ap).sum() == expected['classes_in_mean']
        for group, classes in groups.items():
            assert diagnosis.mean_ap(result, classes) == pytest.approx(expected[group], abs=1e-9)
    for name, classes in content['per_class_released'].items():
        result = results[plain.FIXES[name]]
        kept = np.flatnonzero(np.isfinite(result.ap))
        assert [str(i + 1) for i in kept] == list(classes)
        for i in kept:
            own = dict(ap=result.ap[i], max_recall=result.max_recall[i], n_gt=result.num_gt[i])
            assert own == pytest.approx(classes[str(i + 1)], abs=1e-9)


def test_pairs_and_interactions_of_the_official_scripts(diagnoses, reference):
    content, arrays = reference
    expected = content['pair_localisation']
    own = localisation(diagnoses['diag-hoi'])
    for mine, theirs in dict(
        recall='recall',
        precision='precision',
        pairs_per_image='mean_pairs_per_image',
        annotated='gt_pairs',
        hit='covered',
        detected='pred_pairs',
        right='pairs_credited',
    ).items():
        assert own[mine] == pytest.approx(expected[theirs], abs=1e-12)
    own = localisation(diagnoses['clean'])
    assert own['precision'] == pytest.approx(expected['clean_precision_any_match'])
    assert own['pairs_per_image'] == pytest.approx(expected['clean_mean_pairs_all_images'])
    figures = content['no_interaction_ap']
    assert no_interaction_ap(diagnoses['diag-hoi']) == pytest.approx(figures['released'], abs=1e-9)
    assert no_interaction_ap(diagnoses['clean']) == pytest.approx(figures['clean_101_thresholds_all_images'], abs=1e-9)
    for name, protocol in dict(released='diag-hoi', clean='clean').items():
        result, figures = interaction_ap(diagnoses[protocol], arrays['action_score']), content['action_map'][name]
        assert np.nanmean(result.ap) == pytest.approx(figures['map'], abs=1e-9)
        assert np.nanmean(result.max_recall) == pytest.approx(figures['mean_max_recall'], abs=1e-9)
        assert {i: result.ap[int(i)] for i in figures['ap']} == pytest.approx(figures['ap'], abs=1e-9)
        assert {i: result.num_gt[int(i)] for i in figures['npos']} == figures['npos']


def test_each_difference_between_the_protocols(hico_fixture, reference):
    """The published scripts with one of their faults repaired at a time."""
    content = reference[0]
    dets, entries = hico_fixture.triplets['no_nms'], [image['eval_gt'] for image in hico_fixture.images]
    vocabulary = hico_fixture.vocabulary
    for name, expected in content['variants'].items():
        switch = content['variant_switches'][name]
        rules = replace(
            HICO_RULES['diag-hoi'],
            no_interaction=switch['ni'] == 'keep',
            images_without_gt=switch['images'] == 'all',
            identical='merged' if switch['gt'] == 'merge' else 'shared',
            mean='found' if switch['mean'] == 'recalled' else 'annotated',
            thresholds='numpy' if switch['ap'] == 'arange' else 'decimal',
            images_without_detections=switch['missing_empty'],
        )
        gts, boxes = hico_fixture.gts, boxes_of(entries)
        if switch['boxes'] == 'drop':
            gts, boxes = gts[np.array(vocabulary.hoi_verbs)[gts.labels] != NO_INTERACTION], None
        diagnosis = diagnose_hico(
            dets,
            gts,
            len(entries),
            vocabulary.hoi_verbs,
            vocabulary.hoi_objects,
            boxes,
            no_interaction=NO_INTERACTION,
            protocol=rules,
        )
        assert [(diagnosis.errors == i).sum() for i in range(7)] == list(content['flag_counts'][name].values()), name
        assert diagnosis.missing.sum() == content['missing_gt'][name]
        results = fix_errors(diagnosis)
        own = {fix: diagnosis.mean_ap(results[plain.FIXES[fix]]) for fix in expected}
        assert own == pytest.approx({fix: values['map'] for fix, values in expected.items()}, abs=1e-9), name


def test_without_fix_the_map_is_the_official_one(hico_fixture, diagnoses):
    diagnosis = diagnoses['official']
    result = fix_errors(diagnosis, ['none'])['none']
    expected = evaluate_detections(Detections(diagnosis.dets), hico_fixture.images, 'hico')['default']
    np.testing.assert_array_equal(result.ap, expected['ap'])
    assert diagnosis.mean_ap(result) == expected['full']


def random_images(rng, count=6):
    """Small images in which boxes, scores, annotations and detections coincide often."""

    def box():
        x, y = rng.integers(0, 4, 2) * 20
        return tuple(float(v) for v in (x, y, x + rng.choice([0, 20, 30, 40]), y + rng.choice([20, 30, 40])))

    images = []
    for _ in range(count):
        boxes = list(dict.fromkeys((int(rng.integers(0, 3)), box()) for _ in range(rng.integers(0, 6))))
        boxes.sort(key=lambda entry: rng.random())
        persons = [i for i, (category, _) in enumerate(boxes) if category == 0]
        gt = [
            (int(rng.choice(persons)), int(rng.integers(len(boxes))), int(rng.integers(3)))
            for _ in range(rng.integers(0, 6) if persons else 0)
        ]
        near = [known for _, known in boxes]

        def some(near=near):
            return near[rng.integers(len(near))] if near and rng.random() < 0.7 else box()

        preds = []
        for _ in range(rng.integers(0, 15)):
            human, obj, category = some(), some(), int(rng.integers(3))
            if gt and rng.random() < 0.4:
                h, o, _ = gt[rng.integers(len(gt))]
                human, obj, category = boxes[h][1], boxes[o][1], boxes[o][0]
            preds.append((human, obj, category, int(rng.integers(3)), float(rng.integers(8)) / 8))
        preds += [preds[i] for i in rng.integers(0, len(preds), rng.integers(0, 3))] if preds else []
        images.append(dict(boxes=boxes, gt=gt, preds=preds))
    return images


def arrays_of(images):
    """The same images for :func:`diagnose_hico`. Class: 3 * object + verb."""
    gts, dets, boxes = [], [], []
    for i, image in enumerate(images):
        coordinates = np.array([box for _, box in image['boxes']]).reshape(-1, 4)
        categories = np.array([category for category, _ in image['boxes']], dtype=np.int64)
        humans, objects, verbs = np.array(image['gt'], dtype=np.int64).reshape(-1, 3).T
        gts.append(Triplets.of_image(coordinates[humans], coordinates[objects], 3 * categories[objects] + verbs))
        columns = list(zip(*image['preds'])) or [(), (), (), (), ()]
        labels = 3 * np.array(columns[2], dtype=np.int64) + np.array(columns[3], dtype=np.int64)
        dets.append(Triplets.of_image(columns[0], columns[1], labels, np.array(columns[4], dtype=float)))
        boxes.append((np.full(len(categories), i), coordinates, categories))
    return Triplets.join(dets), Triplets.join(gts), tuple(np.concatenate(part) for part in zip(*boxes))


@pytest.mark.parametrize('protocol', ['official', 'clean', 'diag-hoi'])
def test_random_cases_against_plain_loops(protocol):
    rules: Rules = HICO_RULES[protocol]
    shared, merged, strict = rules.identical == 'shared', rules.identical == 'merged', rules.strict_overlap
    verbs, objects = np.tile(np.arange(3), 3), np.repeat(np.arange(3), 3)
    thresholds = dict(numpy=np.arange(0, 1.1, 0.1), decimal=np.arange(11) / 10, matlab=MATLAB_THRESHOLDS)
    seen = np.zeros(8, dtype=int)
    for seed in range(60):
        images = random_images(np.random.default_rng(seed))
        dets, gts, boxes = arrays_of(images)
        diagnosis = diagnose_hico(dets, gts, len(images), verbs, objects, boxes, protocol=protocol)
        errors, found, best = [], [], []
        for image in images:
            flags, tp, match = plain.diagnose_image(image, shared, merged, strict)
            if not image['gt'] and not rules.images_without_gt:
                flags = [-1] * len(flags)
            found += [i + len(errors) if i >= 0 else -1 for i in tp]
            best += [i + len(errors) if i >= 0 else -1 for i in match]
            errors += flags
        assert diagnosis.errors.tolist() == errors, seed
        assert diagnosis.found.tolist() == found, seed
        assert diagnosis.best.tolist() == best, seed
        seen += np.bincount(diagnosis.errors + 1, minlength=8)
        counted = [image for image in images if image['gt'] or rules.images_without_gt]
        if not len(gts) or not any(image['preds'] for image in counted):
            continue
        results = fix_errors(diagnosis)
        for fix in plain.FIXES.values():
            expected = plain.fixed_map(
                counted,
                fix,
                thresholds[rules.thresholds],
                rules.mean == 'found',
                rules.images_without_detections,
                merged,
                shared,
                strict,
                [(c, v) for c in range(3) for v in range(3)] if rules.mean == 'all' else None,
            )
            assert diagnosis.mean_ap(results[fix]) == pytest.approx(expected, abs=1e-12, nan_ok=True), (seed, fix)
        if strict:
            pairs = localisation(diagnosis)
            assert (pairs['recall'], pairs['precision']) == pytest.approx(plain.pair_localisation(counted, shared))
    assert seen[1:].min() > 20  # all errors occur


def test_wrong_names():
    empty = Triplets.join([Triplets.of_image([], [], [], [])])
    with pytest.raises(ValueError, match='choose one of official, clean, diag-hoi'):
        diagnose_hico(empty, empty, 1, [0], [1], protocol='qpic')
    diagnosis = diagnose_hico(empty, empty, 1, [0], [1])
    with pytest.raises(ValueError, match='choose from none, human_box'):
        fix_errors(diagnosis, ['verb'])
    assert [diagnosis.mean_ap(result) for result in fix_errors(diagnosis).values()] == [0.0] * len(FIXES)
    assert localisation(diagnosis)['recall'] == no_interaction_ap(diagnosis) == 0
    assert len(verb_confusion(diagnosis)) == 0
    assert len(ERRORS) == 7
