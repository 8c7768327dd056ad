"""The same outputs give the authors' triplets, before and after NMS."""

import numpy as np
import pytest
import torch
from mmdet.registry import MODELS, TASK_UTILS
from mmengine.config import Config
from mmengine.registry import init_default_scope
from numpy.testing import assert_allclose

from genvlkt_mmdet.vocabulary import action_slots

from .conftest import CONFIGS, load_forward, load_json, load_npz

INPUTS = dict(
    hoi_logits='pred_hoi_logits',
    obj_logits='pred_obj_logits',
    human_boxes='pred_sub_boxes',
    object_boxes='pred_obj_boxes',
)


def head_of(config):
    """The head of a config with what post-processing uses as it is, and everything else small."""
    init_default_scope('mmdet')
    cfg = Config.fromfile(CONFIGS / config).model
    attention = dict(embed_dims=8, num_heads=1)
    layer = dict(self_attn_cfg=attention, cross_attn_cfg=attention, ffn_cfg=dict(embed_dims=8, feedforward_channels=8))
    cfg.bbox_head.update(embed_dims=8, decoder=dict(num_layers=1, layer_cfg=layer), loss_mimic=None)
    return MODELS.build(dict(**cfg.bbox_head, test_cfg=cfg.test_cfg))


def outputs_of(arrays, case, name):
    source = load_forward(name) if case == 'net' else arrays
    prefix = '' if case == 'net' else f'{case}/input/'
    return {ours: torch.from_numpy(source[prefix + theirs]) for ours, theirs in INPUTS.items()}


@pytest.fixture(scope='module')
def hico_head():
    return head_of('gen_vlkt_s_hico.py')


@pytest.fixture(scope='module')
def hico_arrays():
    return load_npz('postprocess_hico')


@pytest.fixture(scope='module')
def vcoco_head():
    return head_of('gen_vlkt_s_vcoco.py')


class TestHICO:
    @staticmethod
    def predict(head, arrays, case, nms):
        info = load_json('postprocess_hico')[case]
        parameters = dict(iou_threshold=info['thres_nms'], human_power=info['nms_alpha'], object_power=info['nms_beta'])
        configured = head.triplet_selector
        if nms and case != 'cluster_alt':  # the paper's parameters are those of the config
            assert vars(configured.nms) == parameters and configured.max_per_img == 100
        head.triplet_selector = TASK_UTILS.build(
            dict(type='TopHOITriplets', nms=dict(type='HOITripletNMS', **parameters) if nms else None)
        )
        try:
            sizes = [tuple(size) for size in info['target_sizes_hw']]
            return head.predict_by_feat(outputs_of(arrays, case, 'hico_s'), sizes)
        finally:
            head.triplet_selector = configured

    @pytest.mark.parametrize('case', ['net', 'cluster', 'cluster_loose', 'cluster_alt'])
    @pytest.mark.parametrize('stage', ['pre', 'post'])
    def test_triplets(self, hico_head, hico_arrays, case, stage):
        arrays = hico_arrays
        for i, result in enumerate(self.predict(hico_head, arrays, case, nms=stage == 'post')):
            prefix = f'{case}/img{i}/{stage}/'
            expected = {key: arrays[prefix + key] for key in ('sub_id', 'obj_id', 'category', 'score')}
            assert (expected['obj_id'] == expected['sub_id'] + 64).all()
            rows = {(q, c): k for k, (q, c) in enumerate(zip(expected['sub_id'], expected['category'], strict=True))}
            ours = list(zip(result.query_ids.tolist(), result.hoi_labels.tolist(), strict=True))
            assert len(ours) == len(set(ours)) and set(ours) == set(rows)
            order = [rows[triplet] for triplet in ours]
            assert_allclose(result.scores.numpy(), expected['score'][order], rtol=0, atol=1e-5)
            assert (result.scores.diff() <= 0).all()
            assert_allclose(result.human_boxes.numpy(), arrays[prefix + 'sub_box'][order], rtol=1e-5, atol=1e-3)
            assert_allclose(result.object_boxes.numpy(), arrays[prefix + 'obj_box'][order], rtol=1e-5, atol=1e-3)
            labels = arrays[f'{case}/img{i}/labels'][64:]
            assert (result.object_labels.numpy() == labels[result.query_ids]).all()

    def test_equal_scores_are_taken_once_each(self, hico_head, hico_arrays):
        """The authors' code repeats the first of equal scores; here each triplet comes once, with the same scores."""
        (result,) = self.predict(hico_head, hico_arrays, 'quirk_ties', nms=False)
        assert_allclose(result.scores.numpy(), hico_arrays['quirk_ties/img0/pre/score'], rtol=0, atol=1e-5)
        assert len(set(zip(result.query_ids.tolist(), result.hoi_labels.tolist(), strict=True))) == 100


class TestVCOCO:
    """Against the content of the pickle that the authors write for the official evaluation."""

    @staticmethod
    def predict(head, arrays, case, nms):
        info = load_json('postprocess_vcoco')[case]
        configured = head.triplet_selector
        parameters = info['nms']
        assert vars(configured.nms) == dict(
            iou_threshold=parameters['thres_nms'],
            human_power=parameters['nms_alpha'],
            object_power=parameters['nms_beta'],
        )
        if not nms:
            head.triplet_selector = TASK_UTILS.build(dict(type='VerbHOITriplets', nms=None))
        try:
            sizes = [tuple(size) for size in info['target_sizes_hw']]
            return head.predict_by_feat(outputs_of(arrays, case, 'vcoco_s'), sizes)
        finally:
            head.triplet_selector = configured

    @staticmethod
    def persons(head, results, info):
        """One row per query: image id, person box, roles (25, 5), agents (26), as in the authors' pickle."""
        vocabulary = head.vocabulary
        actions, slots = action_slots(vocabulary)
        columns = {'image_id': [], 'person_box': [], 'role': [], 'agent': []}
        for image, result in zip(info['img_ids'], results, strict=True):
            assert (result.scores.diff() <= 0).all()
            for query in result.query_ids.unique().tolist():
                of_query = result[result.query_ids == query]
                verbs = np.asarray(vocabulary.hoi_verbs)[of_query.hoi_labels.numpy()]
                assert sorted(verbs) == list(range(29))
                score = dict(zip(verbs.tolist(), of_query.scores.tolist(), strict=True))
                box = of_query.object_boxes[0].tolist()
                roles = [vocabulary.verb_names.index(name) for name in info['role_order']]
                agents = [actions.index(name) for name in info['agent_order']]
                columns['image_id'].append(image)
                columns['person_box'].append(of_query.human_boxes[0].tolist())
                columns['role'].append([[*box, score[verb]] for verb in roles])
                columns['agent'].append([max(score[v] for v in score if slots[v][0] == a) for a in agents])
        return {key: np.array(value) for key, value in columns.items()}

    @pytest.mark.parametrize('case', ['net', 'cluster', 'cluster_loose'])
    @pytest.mark.parametrize('stage', ['pre', 'post'])
    def test_detections(self, vcoco_head, case, stage):
        arrays, info = load_npz('postprocess_vcoco'), load_json('postprocess_vcoco')[case]
        ours = self.persons(vcoco_head, self.predict(vcoco_head, arrays, case, nms=stage == 'post'), info)
        theirs = {key: arrays[f'{case}/{stage}/{key}'] for key in ours}
        assert len(ours['image_id']) == len(theirs['image_id']) == info[f'n_{stage}']
        # both as sets of persons: put into one order by image, then by the exact scores of all actions
        ours, theirs = (
            {key: value[np.lexsort((*side['agent'].round(4).T, side['image_id']))] for key, value in side.items()}
            for side in (ours, theirs)
        )
        assert (ours['image_id'] == theirs['image_id']).all()
        assert_allclose(ours['person_box'], theirs['person_box'], rtol=1e-5, atol=1e-3)
        assert_allclose(ours['agent'], theirs['agent'], rtol=0, atol=1e-5)
        assert_allclose(ours['role'][..., 4], theirs['role'][..., 4], rtol=0, atol=1e-5)
        assert_allclose(ours['role'][..., :4], theirs['role'][..., :4], rtol=1e-5, atol=1e-3)
        absent = np.isnan(ours['role'][..., 0]).all(1).sum()
        assert absent == info[f'n_missing_{stage}']
