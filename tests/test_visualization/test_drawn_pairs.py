import numpy as np
import torch
from mmengine.structures import InstanceData

from genvlkt_mmdet.structures import GroundTruth, HOIDataSample, Persons, Triplets
from genvlkt_mmdet.visualization.drawn_pairs import (
    DrawnPair,
    assign_colors,
    pairs_from_ground_truth,
    pairs_from_predictions,
)

NAN = [float('nan')] * 4
RIDER = [40.0, 10.0, 80.0, 100.0]
HORSE = [20.0, 50.0, 120.0, 130.0]
CUP = [70.0, 20.0, 80.0, 30.0]
FAR = [200.0, 10.0, 240.0, 100.0]


def _hois(rows, query_ids=True):
    humans, objects, labels, scores, queries = zip(*rows, strict=True)
    hois = InstanceData(
        human_boxes=torch.tensor(humans),
        object_boxes=torch.tensor(objects),
        hoi_labels=torch.tensor(labels),
        scores=torch.tensor(scores),
    )
    if query_ids:
        hois.query_ids = torch.tensor(queries)
    return hois


def test_one_query_is_one_pair_with_several_phrases(hico):
    ride, straddle = hico.hoi_index('ride', 'horse'), hico.hoi_index('straddle', 'horse')
    hold = hico.hoi_index('hold', 'cup')
    pairs = pairs_from_predictions(
        _hois([(RIDER, HORSE, ride, 1.5, 7), (RIDER, CUP, hold, 1.25, 3), (RIDER, HORSE, straddle, 0.5, 7)]), hico
    )
    assert [p.lines for p in pairs] == [
        ['person riding a horse 1.50', 'person straddling a horse 0.50'],
        ['person holding a cup 1.25'],
    ]
    np.testing.assert_allclose(pairs[0].object_box, HORSE)


def test_near_identical_boxes_are_one_pair_and_a_phrase_keeps_its_best_score(hico):
    ride = hico.hoi_index('ride', 'horse')
    moved = (np.array(RIDER) + 1).tolist()
    rows = [(RIDER, HORSE, ride, 1.5, 0), (moved, HORSE, ride, 0.75, 1), (FAR, HORSE, ride, 0.5, 2)]
    for query_ids in (True, False):
        pairs = pairs_from_predictions(_hois(rows, query_ids), hico)
        assert [p.phrases for p in pairs] == [{'person riding a horse': 1.5}, {'person riding a horse': 0.5}]


def test_interaction_without_object_draws_no_object_box(vcoco):
    stand, smile = vcoco.hoi_index('stand', None), vcoco.hoi_index('smile', None)
    hold = vcoco.hoi_index('hold_obj', 'cup')
    # the query of 'smile' has some object box; its class names no object
    alone = pairs_from_predictions(_hois([(RIDER, NAN, stand, 1.0, 0), (RIDER, HORSE, smile, 0.5, 0)]), vcoco)
    assert len(alone) == 1 and alone[0].object_box is None
    assert list(alone[0].phrases) == ['person standing', 'person smiling']
    # and it joins the pair of its human
    both = pairs_from_predictions(_hois([(RIDER, CUP, stand, 1.0, 0), (RIDER, CUP, hold, 0.5, 0)]), vcoco)
    assert len(both) == 1
    np.testing.assert_allclose(both[0].object_box, CUP)


def test_no_prediction_is_no_pair(hico):
    empty = InstanceData(
        human_boxes=torch.zeros(0, 4),
        object_boxes=torch.zeros(0, 4),
        hoi_labels=torch.zeros(0, dtype=torch.long),
        scores=torch.zeros(0),
        query_ids=torch.zeros(0, dtype=torch.long),
    )
    assert pairs_from_predictions(empty, hico) == []


def _gt_sample(hico, **metainfo):
    labels = torch.zeros(2, hico.num_hois)
    labels[0, [hico.hoi_index('ride', 'horse'), hico.hoi_index('straddle', 'horse')]] = 1
    labels[1, hico.hoi_index('hold', 'cup')] = 1
    sample = HOIDataSample(metainfo=metainfo)
    sample.gt_pairs = InstanceData(
        human_boxes=torch.tensor([RIDER, FAR]),
        object_boxes=torch.tensor([HORSE, [0.0] * 4]),
        object_labels=torch.tensor([0, 1]),
        hoi_labels=labels,
    )
    return sample


def test_gt_pairs_are_in_pixels_of_the_network_input(hico):
    """As mmdet draws `gt_instances`: its browse_dataset hands over the flipped and resized image."""
    flipped = dict(
        scale_factor=(2.0, 4.0), img_shape=(200, 300), ori_shape=(50, 150), flip=True, flip_direction='horizontal'
    )
    for sample in (_gt_sample(hico, **flipped), _gt_sample(hico, **flipped).numpy()):
        ridden, held = pairs_from_ground_truth(sample, hico)
        np.testing.assert_allclose(ridden.human_box, RIDER)
        np.testing.assert_allclose(ridden.object_box, HORSE)
        assert ridden.lines == ['person riding a horse', 'person straddling a horse']
        assert held.object_box is None


def test_gt_pairs_of_zero_shot_training_count_seen_classes(hico):
    split = next(iter(hico.splits))
    seen = hico.seen(split)
    sample = _gt_sample(hico)
    sample.gt_pairs.hoi_labels = torch.eye(len(seen))[[5, 11]]
    pairs = pairs_from_ground_truth(sample, hico, split)
    assert [list(p.phrases) for p in pairs] == [[hico.phrase(seen[5])], [hico.phrase(seen[11])]]


def test_eval_gt_comes_before_gt_pairs_and_is_in_original_pixels(hico):
    sample = _gt_sample(hico, scale_factor=(2.0, 2.0))
    sample.set_metainfo(
        dict(
            eval_gt=GroundTruth(
                Triplets.of_image(
                    np.array([RIDER, [41.0, 10.0, 80.0, 100.0]], np.float32),
                    np.array([HORSE, HORSE], np.float32),
                    [hico.hoi_index('ride', 'horse'), hico.hoi_index('hold', 'horse')],
                )
            )
        )
    )
    (pair,) = pairs_from_ground_truth(sample, hico)
    np.testing.assert_allclose(pair.human_box, RIDER)
    assert list(pair.phrases) == ['person riding a horse', 'person holding a horse']


def test_vcoco_ground_truth_names_actions_and_their_boxes(vcoco):
    rows = [
        (0, NAN, 'stand'),
        (0, NAN, 'hit_instr'),  # 'hit' without annotated object
        (1, CUP, 'cut_instr'),
        (1, NAN, 'cut_obj'),  # says nothing beside the others
        (1, HORSE, 'cut_obj'),
    ]
    persons, objects, verbs = zip(*rows, strict=True)
    boxes = np.array([RIDER, FAR])
    triplets = Triplets.of_image(boxes[list(persons)], objects, [vcoco.verb_names.index(verb) for verb in verbs])
    gt = GroundTruth(triplets, persons=Persons(boxes, np.ones(2, bool), np.array(persons)))
    sample = HOIDataSample(metainfo=dict(eval_gt=gt))
    standing, with_tool, cut = pairs_from_ground_truth(sample, vcoco)
    assert list(standing.phrases) == ['person standing', 'person hitting'] and standing.object_box is None
    assert list(with_tool.phrases) == ['person cutting with']
    np.testing.assert_allclose(with_tool.object_box, CUP)
    assert list(cut.phrases) == ['person cutting']
    np.testing.assert_allclose(cut.object_box, HORSE)


def test_sample_without_annotation(hico):
    assert pairs_from_ground_truth(HOIDataSample(), hico) is None


def test_predicted_pair_takes_the_colour_of_the_annotated_pair_it_finds():
    human, far, horse, cup = (np.array(b) for b in (RIDER, FAR, HORSE, CUP))
    annotated = [DrawnPair(human, cup), DrawnPair(human, horse)]
    predicted = [DrawnPair(human + 2, horse - 3), DrawnPair(far, horse), DrawnPair(human, cup), DrawnPair(human, cup)]
    assign_colors(predicted, annotated)
    assert [p.color for p in annotated] == [0, 1]
    assert [p.color for p in predicted] == [1, 2, 0, 3]
