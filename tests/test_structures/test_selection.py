import numpy as np
import pytest
import torch

from genvlkt_mmdet.models import HOITripletNMS, TopHOITriplets, VerbHOITriplets
from genvlkt_mmdet.structures.selection import TripletNMS, TripletSelection, select_triplets
from tests.test_models.test_dense_heads.test_gen_head import build
from tests.test_models.tiny import VCOCO_LIKE


def random_image(seed: int, queries: int = 12, hois: int = 9):
    """Scores with many ties, boxes that repeat, and a class for each verb and more."""
    rng = np.random.default_rng(seed)
    scores = (rng.integers(0, 8, (queries, hois)) / 4).astype(np.float32)
    corners = rng.integers(0, 3, (2, queries, 4)).astype(np.float32) * [7, 7, 30, 30]
    boxes = np.concatenate([corners[..., :2], corners[..., :2] + corners[..., 2:]], -1).astype(np.float32)
    return scores, *boxes, rng.integers(0, 3, queries), rng.permutation(np.arange(hois) % 4)


@pytest.mark.parametrize(
    'nms', [None, dict(iou_threshold=0.7), dict(iou_threshold=0.3, human_power=0.5, object_power=2.0)]
)
@pytest.mark.parametrize('kind', [TopHOITriplets, VerbHOITriplets])
def test_the_same_triplets_as_in_torch_with_ties(kind, nms):
    own = None if nms is None else TripletNMS(**nms)
    theirs = nms and dict(type='HOITripletNMS', **nms)
    for seed, number in enumerate((1, 5, 30, 1000) * 5):
        image = random_image(seed)
        if kind is TopHOITriplets:
            one, other = TripletSelection(number, own), TopHOITriplets(number, nms=theirs)
        else:
            one, other = TripletSelection(None, own), VerbHOITriplets(nms=theirs)
        batch = [torch.from_numpy(value)[None] for value in image[:4]]
        _, *expected = other(*batch, torch.from_numpy(image[4]))
        for mine, wanted in zip(one(*image), expected, strict=True):
            np.testing.assert_array_equal(mine, wanted.numpy())


def test_the_defaults_are_those_of_torch():
    own, theirs = TripletNMS(), HOITripletNMS()
    assert vars(own) == vars(theirs)
    assert TripletSelection().max_per_img == TopHOITriplets().max_per_img


def test_scores_boxes_and_labels_are_those_of_the_head():
    head = build(vocabulary=VCOCO_LIKE)
    torch.manual_seed(0)
    vocabulary = head.vocabulary
    outputs = dict(
        hoi_logits=4 * torch.randn(2, 6, vocabulary.num_hois),
        obj_logits=4 * torch.randn(2, 6, vocabulary.num_object_logits),
        human_boxes=torch.rand(2, 6, 4),
        object_boxes=torch.rand(2, 6, 4),
    )
    sizes = [(40, 60), (71, 33)]
    assert vocabulary.has_no_object
    hois = np.array(vocabulary.hoi_objects), np.array(vocabulary.hoi_verbs)
    for i, expected in enumerate(head.predict_by_feat(outputs, sizes)):
        image = {name: value[i].numpy() for name, value in outputs.items()}
        found = select_triplets(image, sizes[i], *hois, vocabulary.no_object, TripletSelection())
        assert set(found) == set(expected.keys()) and len(found['scores'])
        for name, value in found.items():
            np.testing.assert_allclose(value, expected[name].numpy(), rtol=1e-6, atol=1e-5, err_msg=name)
