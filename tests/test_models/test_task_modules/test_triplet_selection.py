import pytest
import torch

from genvlkt_mmdet.models.task_modules import HOITripletNMS, TopHOITriplets, VerbHOITriplets

# Three queries, four HOI classes of two verbs (classes 0 and 2 are verb 0, classes 1 and 3 verb 2).
SCORES = torch.tensor([[0.9, 0.1, 0.3, 0.4], [0.8, 0.5, 0.85, 0.2], [0.7, 0.6, 0.0, 0.65]])
VERBS = torch.tensor([0, 2, 0, 2])
# queries 0 and 1 have nearly the same boxes, query 2 others
HUMAN = torch.tensor([[0.0, 0, 99, 99], [0, 0, 99, 98], [200, 0, 299, 99]])
OBJECT = torch.tensor([[50.0, 50, 149, 149], [50, 50, 149, 148], [250, 50, 349, 149]])


def select(selector, labels=(5, 5, 5)):
    images, queries, hois = selector(SCORES[None], HUMAN[None], OBJECT[None], torch.tensor([labels]), VERBS)
    assert images.tolist() == [0] * len(queries)
    return list(zip(queries.tolist(), hois.tolist(), strict=True))


class TestTopTriplets:
    def test_best_first(self):
        assert select(TopHOITriplets(max_per_img=5, nms=None)) == [(0, 0), (1, 2), (1, 0), (2, 0), (2, 3)]

    def test_nms_within_a_class_after_the_cut(self):
        # class 0 of query 1 falls to query 0; its class 2 has no rival among the five
        assert select(TopHOITriplets(max_per_img=5)) == [(0, 0), (1, 2), (2, 0), (2, 3)]

    def test_fewer_triplets_than_asked_for(self):
        assert len(select(TopHOITriplets(max_per_img=1000, nms=None))) == 12

    def test_equal_scores_come_in_order_and_once(self):
        equal = torch.zeros(1, 2, 3)
        _, queries, hois = TopHOITriplets(max_per_img=4, nms=None)(equal, HUMAN[None, :2], OBJECT[None, :2], None, None)
        assert (queries.tolist(), hois.tolist()) == ([0, 0, 0, 1], [0, 1, 2, 0])


class TestVerbTriplets:
    def test_one_triplet_per_query_and_verb(self):
        # the best class of each verb: verb 0 then verb 2 of every query, then by score
        assert select(VerbHOITriplets(nms=None)) == [(0, 0), (1, 2), (2, 0), (2, 3), (1, 1), (0, 3)]

    def test_nms_drops_whole_queries(self):
        assert select(VerbHOITriplets()) == [(0, 0), (2, 0), (2, 3), (0, 3)]

    def test_queries_of_different_objects_do_not_compete(self):
        assert len(select(VerbHOITriplets(), labels=(5, 6, 5))) == 6

    @pytest.mark.parametrize('threshold', [0.5, 0.999])
    def test_nms_is_configured(self, threshold):
        selector = VerbHOITriplets(nms=dict(type='HOITripletNMS', iou_threshold=threshold))
        assert isinstance(selector.nms, HOITripletNMS)
        assert len(select(selector)) == (4 if threshold == 0.5 else 6)


@pytest.mark.parametrize(
    'selector', [TopHOITriplets(20), TopHOITriplets(20, nms=None), VerbHOITriplets(), VerbHOITriplets(None)]
)
def test_a_batch_gives_what_its_images_give_alone(selector):
    generator = torch.Generator().manual_seed(0)
    scores = torch.randint(0, 9, (5, 8, 12), generator=generator) / 8  # many ties
    scores[2, 3, 4] = float('nan')
    human, obj = (torch.randint(0, 5, (5, 8, 4), generator=generator) * 4.0 for _ in range(2))
    human[..., 2:] += 30
    obj[..., 2:] += 30
    labels, verbs = torch.randint(0, 3, (5, 8), generator=generator), torch.arange(12) % 5
    images, queries, hois = selector(scores, human, obj, labels, verbs)
    assert images.tolist() == sorted(images.tolist()) and set(images.tolist()) == set(range(5))
    for i in range(5):
        part = slice(i, i + 1)
        alone = selector(scores[part], human[part], obj[part], labels[part], verbs)
        assert torch.equal(queries[images == i], alone[1]) and torch.equal(hois[images == i], alone[2])
