"""HOICLIP: the same weights and inputs give the outputs, losses, gradients and triplets of its authors' code.

The three models differ in their classifiers alone, so what comes before runs once for all of them.
"""

from functools import cache, cached_property

import numpy as np
import pytest
import torch
from mmdet.registry import MODELS, TASK_UTILS
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.registry import init_default_scope
from numpy.testing import assert_allclose

from genvlkt_mmdet.converters import (
    convert_official,
    genvlkt_to_official,
    official_to_genvlkt,
    recognise,
    revert_official,
)
from genvlkt_mmdet.vocabulary import load_vocabulary

from . import formulas
from .conftest import CONFIGS, Reference, load_json, load_npz, sums
from .test_loss import check_gradients, expected_losses
from .test_postprocess import INPUTS

CONFIG_OF = {
    'hico': 'hoiclip/hoiclip_hico.py',
    'hico_zs_rf': 'hoiclip/hoiclip_hico_rf_uc.py',
    'vcoco': 'hoiclip/hoiclip_vcoco.py',
}
LOGITS, BOXES = 2e-3, 5e-4


def of_configuration(fixture, name):
    """Entries of a configuration: those of 'hico' with what differs."""
    base, own = fixture['hico']['differs'], fixture[name]
    return {k: v for k, v in (base | own['differs']).items() if k not in own['absent']}


@cache
def all_arrays(file):
    return load_npz(file)


def arrays_of(file, name):
    """Arrays of a configuration, by their names in the authors' fixtures."""
    prefix = f'{name}/'
    return {k.removeprefix(prefix): v for k, v in all_arrays(file).items() if k.startswith(prefix)}


def verb_tables(name):
    """The authors' tables of 0 and 1: verbs by classes."""
    vocabulary = load_vocabulary('vcoco' if name == 'vcoco' else 'hico')
    table = np.zeros((vocabulary.num_verbs, vocabulary.num_hois), np.float32)
    # In V-COCO, the column is that of the object, not that of the class.
    columns = vocabulary.hoi_objects if name == 'vcoco' else range(vocabulary.num_hois)
    table[list(vocabulary.hoi_verbs), list(columns)] = 1
    seen = vocabulary.seen('rare_first' if name == 'hico_zs_rf' else None)
    return {'verb2hoi_proj': table[:, list(seen)], 'verb2hoi_proj_eval': table}


@cache
def official_tensor(name, shape):
    return formulas.tensor(name, shape)


def official_weights(name):
    """State dict of the authors' model, without CLIP's text encoder."""
    manifest = of_configuration(load_json('hoiclip_manifest'), name)
    tables = verb_tables(name)
    return {
        key: torch.as_tensor(official_tensor(key, tuple(entry['shape'])) if entry['filled'] else tables[key])
        for key, entry in manifest.items()
    }


class HOICLIPReference(Reference):
    """One configuration of HOICLIP, with the interface of the reference of GEN-VLKT."""

    def __init__(self, name):
        init_default_scope('mmdet')
        self.name = name
        self.cfg = Config.fromfile(CONFIGS / CONFIG_OF[name])
        self.model = self.build(self.cfg.model)

    def build(self, cfg):
        weights, unknown = convert_official(official_weights(self.name))
        assert not unknown
        with torch.device('meta'):  # the weights follow
            model = MODELS.build(cfg)
        model.load_state_dict(weights, strict=True, assign=True)
        head = model.bbox_head
        for key in ('hoi_objects', 'hoi_verbs'):
            setattr(head, key, torch.tensor(getattr(head.vocabulary, key)))
        return model.eval()

    @cached_property
    def forward(self):
        own = arrays_of('hoiclip_forward', self.name)
        common = arrays_of('hoiclip_forward', 'hico')
        return {key: value for key, value in common.items() if key.removesuffix('/sum') not in own} | own

    @cached_property
    def main(self):
        images, samples = self.batch(self.forward, 'main')
        for i, sample in enumerate(samples):
            sample.clip_image = torch.from_numpy(formulas.clip_image('main', i))
        return images, samples

    @cached_property
    def outputs(self):
        head = self.model.bbox_head
        return head(**self.encoded, clip_images=head.clip_images(self.main[1]), seen_only=True)

    def clip_images(self, case):
        return super().clip_images('main')  # CLIP's images are part of the input here

    def prediction(self):
        """Outputs as in prediction: logits of all classes, from the features of :attr:`outputs`."""
        embeds = self.outputs['hoi_embeds']  # outside of no_grad: the losses need its graph
        with torch.no_grad():
            return self.model.bbox_head.hoi_classifier(embeds)[0]


@pytest.fixture(scope='module')
def hoiclip(request):
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield HOICLIPReference(request.param)
    torch.set_num_threads(threads)


def configurations(*names):
    marked = [pytest.param(name, marks=pytest.mark.xdist_group('hoiclip')) for name in names]
    return pytest.mark.parametrize('hoiclip', marked, indirect=True)


def close(values, expected, tolerance, message=''):
    assert_allclose(values.detach().numpy(), expected, rtol=0, atol=tolerance, err_msg=message)


def check_logits(ours, fixture, name):
    """Compares what is kept of logits (B, Q, A): some queries, and the sums of all."""
    stored = fixture[name]
    ours = ours.detach()
    close(ours[:, :: ours.shape[1] // stored.shape[1]], stored, LOGITS, name)
    if f'{name}/sum' in fixture:
        total = [ours.sum(dtype=torch.float64), ours.abs().sum(dtype=torch.float64)]
        assert_allclose(total, fixture[f'{name}/sum'], rtol=0, atol=LOGITS * ours.numel() ** 0.5)


@pytest.mark.xdist_group('hoiclip')
def test_weights_and_inputs():
    for name in CONFIG_OF:
        manifest = of_configuration(load_json('hoiclip_manifest'), name)
        weights = official_weights(name)
        for key in manifest if name == 'hico' else load_json('hoiclip_manifest')[name]['differs']:
            total, absolute, first = sums(weights[key].numpy())
            assert total == pytest.approx(manifest[key]['sum'], rel=1e-9, abs=1e-7), key
            assert absolute == pytest.approx(manifest[key]['abssum'], rel=1e-10), key
            assert first == manifest[key]['first'], key
    fixture = arrays_of('hoiclip_forward', 'hico')
    for i, (height, width) in enumerate(fixture['sizes'].tolist()):
        assert sums(formulas.image('main', i, height, width))[0] == pytest.approx(fixture['image_sums'][i], rel=1e-9)
        assert sums(formulas.clip_image('main', i))[0] == pytest.approx(fixture['clip_input_sums'][i], rel=1e-9)


@configurations('hico')
class TestForward:
    def test_clip(self, hoiclip):
        head, fixture = hoiclip.model.bbox_head, hoiclip.forward
        tokens, embeds = head.clip(head.clip_images(hoiclip.main[1]))
        assert tokens.shape == (2, 50, 768) and not tokens.requires_grad
        close(tokens[:, ::7], fixture['clip_tokens'], 1e-4)
        close(embeds, fixture['clip_cls_raw'], 1e-4)
        close(head.clip.project(tokens[:, 0]), fixture['clip_cls_raw'], 1e-4)

    def test_interaction_branch(self, hoiclip):
        head, fixture, encoded = hoiclip.model.bbox_head, hoiclip.forward, hoiclip.encoded
        memory = encoded['memory']
        close(memory.transpose(1, 2).reshape(2, 256, 7, 8)[:, ::8], fixture['memory'], 1e-3)
        layers = []
        hooks = [m.register_forward_hook(lambda m, i, out: layers.append(out)) for m in head.fusion_decoder.layers]
        with torch.no_grad():
            human, obj = head._decode_instances(memory, encoded['memory_pos'], encoded['memory_mask'])
            close(human[-1][:, ::8], fixture['h_hs'], 1e-3)
            close(obj[-1][:, ::8], fixture['o_hs'], 1e-3)
            close(head.query_proj((human[-1] + obj[-1]) / 2)[:, ::8], fixture['inter_query'], 1e-3)
            close(head.memory_proj(memory)[..., ::16], fixture['sup_memory'], 1e-3)
            tokens, _ = head.clip(head.clip_images(hoiclip.main[1]))
            features = head._decode_interactions(human, obj, *encoded.values(), tokens)
        for hook in hooks:
            hook.remove()
        for i, values in enumerate(layers):
            close(values[:, ::16], fixture[f'fusion{i}'], 1e-3)
            assert values.sum(dtype=torch.float64).item() == pytest.approx(fixture[f'fusion{i}/sum'][0], abs=0.3)
        close(head.fusion_decoder.post_norm(layers[-1])[:, ::16], fixture['fusion_norm'], 1e-3)
        close(features[-1][:, ::8], fixture['inter'], LOGITS)
        close(features[:-1][:, :, ::8], fixture['aux_inter'], LOGITS)


@configurations(*CONFIG_OF)
class TestOutputs:
    def test_every_layer(self, hoiclip):
        outputs, fixture = hoiclip.outputs, hoiclip.forward
        for layer, prefix in enumerate(('aux0/', 'aux1/', '')):
            check_logits(outputs['hoi_logits'][layer], fixture, f'{prefix}pred_hoi_logits')
            check_logits(outputs['obj_logits'][layer], fixture, f'{prefix}pred_obj_logits')
            close(outputs['human_boxes'][layer], fixture[f'{prefix}pred_sub_boxes'], BOXES)
            close(outputs['object_boxes'][layer], fixture[f'{prefix}pred_obj_boxes'], BOXES)
        classifier = hoiclip.model.bbox_head.hoi_classifier
        embeds = outputs['hoi_embeds'][-1]
        close(classifier.verb_mlp(embeds)[:, ::16], fixture['verb_hs'], LOGITS)
        verbs = classifier.verb_logits(embeds)
        close(verbs[:, ::8], fixture['verb_logits'], LOGITS)
        text = outputs['hoi_logits'][-1] - classifier.verb_weight * verbs @ classifier.verb_table
        close(text[:, ::8], fixture['text_logits'], LOGITS)

    def test_prediction(self, hoiclip):
        logits, fixture = hoiclip.prediction(), hoiclip.forward
        prefix = 'eval/' if hoiclip.name == 'hico_zs_rf' else ''
        for layer, name in enumerate(('aux0/', 'aux1/', '')):
            check_logits(logits[layer], fixture, f'{prefix}{name}pred_hoi_logits')
        rows = hoiclip.model.bbox_head.hoi_classifier.text_rows
        unit = torch.nn.functional.normalize(hoiclip.outputs['clip_embeds'][0], dim=-1)
        close(unit @ rows.t(), fixture['clip_prior_cos'], 1e-5)

    def test_parameter_groups(self, hoiclip):
        expected = of_configuration(load_json('hoiclip_param_groups'), hoiclip.name)
        parameters, unknown = revert_official(dict(hoiclip.model.named_parameters()))
        assert not unknown
        optimizer = build_optim_wrapper(hoiclip.model, hoiclip.cfg.optim_wrapper).optimizer
        group_of = {id(parameter): group for group in optimizer.param_groups for parameter in group['params']}
        for name, parameter in parameters.items():
            trainable = name in expected and expected[name]['trainable']
            assert parameter.requires_grad == trainable, name
            if trainable:
                group = group_of[id(parameter)]
                assert group['lr'] == pytest.approx(expected[name]['lr'], rel=1e-9), name
                assert group['weight_decay'] == pytest.approx(expected[name]['weight_decay'], rel=1e-9), name
        unused = set(load_json('hoiclip_loss')[hoiclip.name]['no_grad_because_unused'])
        trained = {name for name, entry in expected.items() if entry['trainable']}
        assert trained - unused == {name for name, p in parameters.items() if p.requires_grad}
        args = load_json('hoiclip_param_groups')['hico']['args']
        assert hoiclip.cfg.train_dataloader.batch_size == args['batch_size']

    @pytest.mark.parametrize('case', ['main', 'one_empty', 'all_empty'])
    def test_losses_and_gradients(self, hoiclip, case):
        arrays, fixture = arrays_of('hoiclip_loss', hoiclip.name), load_json('hoiclip_loss')[hoiclip.name]
        model = hoiclip.model
        targets = hoiclip.targets(arrays, case)
        matches = model.bbox_head.assigner.assign_batch(hoiclip.outputs, targets)
        for layer, name in enumerate(('aux0', 'aux1', 'final')):
            for image in range(2):
                prefix = f'{case}/match/{name}/img{image}/'
                here = (matches.layers == layer) & (matches.images == image)
                assert matches.queries[here].tolist() == arrays[prefix + 'src'].tolist()
                assert matches.pairs[here].tolist() == arrays[prefix + 'tgt'].tolist()
        whole = hoiclip.name == 'hico' and case == 'main'  # the way training goes
        if whole:
            losses = model(hoiclip.main[0], hoiclip.loss_samples(arrays, case), mode='loss')
        else:
            losses = model.bbox_head.loss_by_feat(hoiclip.outputs, targets)
        expected = expected_losses(fixture, case)
        assert set(losses) == set(expected)
        for name, value in expected.items():
            assert losses[name].item() == pytest.approx(value, rel=1e-4, abs=1e-6), name
        total = sum(losses.values())
        assert total.item() == pytest.approx(fixture['cases'][case]['total'], rel=1e-4)
        if case == 'main' or (hoiclip.name == 'hico' and case == 'one_empty'):
            model.zero_grad()
            total.backward(retain_graph=True)
            check_gradients(model, arrays, fixture, case)


@configurations('vcoco')
def test_verb_table_of_vcoco(hoiclip):
    """The authors' table comes from the checkpoint, or from the setting; the intended one is that of a new training."""
    fixture, embeds = hoiclip.forward, hoiclip.outputs['hoi_embeds']
    cfg = hoiclip.cfg.model
    released = hoiclip.model.bbox_head.hoi_classifier.verb_table
    assert released[:, 81:].count_nonzero() == 0 and released.sum(0).max() > 1
    for setting in ('hoi', 'object_as_released'):
        own = dict(cfg.bbox_head, hoi_classifier=dict(cfg.bbox_head.hoi_classifier, verb_table=setting))
        classifier = MODELS.build(
            dict(
                **own['hoi_classifier'],
                in_channels=512,
                vocabulary=load_vocabulary('vcoco'),
                classes='hois',
            )
        )
        assert torch.equal(classifier.verb_table, released) == (setting != 'hoi')
        classifier.load_state_dict(hoiclip.model.bbox_head.hoi_classifier.state_dict())
        logits = classifier(embeds)[0].detach()
        prefix = 'intended/' if setting == 'hoi' else ''
        for layer, name in enumerate(('aux0/', 'aux1/', '')):
            check_logits(logits[layer], fixture, f'{prefix}{name}pred_hoi_logits')


@pytest.mark.xdist_group('hoiclip')
@pytest.mark.parametrize('name', list(CONFIG_OF))
def test_checkpoints_there_and_back(name):
    manifest, tables = of_configuration(load_json('hoiclip_manifest'), name), verb_tables(name)
    # One number for each weight: they take no memory
    official = {
        key: torch.tensor(float(i)).expand(entry['shape']) if entry['filled'] else torch.from_numpy(tables[key])
        for i, (key, entry) in enumerate(manifest.items())
    }
    text = {
        'clip_model.ln_final.weight': torch.ones(512),
        'clip_model.transformer.resblocks.0.ln_1.bias': torch.ones(512),
    }
    checkpoint, found, unknown = official_to_genvlkt(dict(model=official | text))
    assert not unknown
    assert (found.config, found.options) == (CONFIG_OF[name], {})
    assert found.zero_shot == ('rare_first' if name == 'hico_zs_rf' else None)
    assert ('is kept' in found.note) == (name == 'vcoco')
    back, unknown = genvlkt_to_official(checkpoint)
    assert not unknown
    back = back['model']
    unused = set(load_json('hoiclip_loss')[name]['no_grad_because_unused'])
    assert len(unused) == 67
    for key, value in official.items():
        assert back[key].shape == value.shape, key
        assert key in unused or torch.equal(back[key], value), key
    extra = set(back) - set(official)
    assert len(extra) == 150 and all(key.startswith('clip_model.') for key in extra)
    assert back['clip_model.token_embedding.weight'].shape == (49408, 512)
    # A model of another CLIP stays recognised by its fusion decoder.
    assert recognise(checkpoint['state_dict']).config == CONFIG_OF[name]


@configurations('hico')
class TestPrior:
    """The training-free enhancement, on the authors' outputs."""

    @staticmethod
    def prior(**kwargs):
        return TASK_UTILS.build(dict(type='CLIPPrior', **kwargs))

    @pytest.mark.parametrize('k', [10, 20, 30, 40, 50])
    def test_clean(self, hoiclip, k):
        fixture = all_arrays('hoiclip_prior')
        cosines = torch.from_numpy(fixture['cos'])
        added = self.prior(top_k=k)(cosines)
        for i in range(2):
            chosen = fixture[f'clean/k{k}/img{i}/topk']
            assert set(added[i].topk(k).indices.tolist()) == set(chosen.tolist())
            if f'clean/k{k}/img{i}/added' in fixture:
                close(added[i], fixture[f'clean/k{k}/img{i}/added'], 1e-6)

    @pytest.mark.parametrize('k', [10, 30])
    def test_as_released(self, hoiclip, k):
        fixture = all_arrays('hoiclip_prior')
        added = self.prior(top_k=k, as_released=True)(torch.from_numpy(fixture['cos']))
        for i in range(2):
            close(added[i], fixture[f'released_T/k{k}/img{i}/added'], 1e-6)
        assert torch.equal(added, self.prior()(torch.from_numpy(fixture['cos'])))

    @pytest.mark.parametrize(
        ('case', 'setting'),
        [
            ('baseline', None),
            ('clean/k10', dict()),
            ('clean/k30', dict(top_k=30)),
            ('released_T/k30', dict(top_k=30, as_released=True)),
            ('clean/k10_w10', dict(weight=10.0)),
        ],
    )
    def test_triplets(self, hoiclip, case, setting):
        head, fixture = hoiclip.model.bbox_head, all_arrays('hoiclip_prior')
        head.clip_prior = setting if setting is None else self.prior(**setting)
        nms, head.triplet_selector.nms = head.triplet_selector.nms, None
        outputs = {ours: torch.from_numpy(hoiclip.forward[theirs]) for ours, theirs in INPUTS.items()}
        outputs['clip_embeds'] = torch.from_numpy(hoiclip.forward['clip_cls_raw'])
        try:
            results = head.predict_by_feat(outputs, [(100, 100)] * 2)
        finally:
            head.clip_prior, head.triplet_selector.nms = None, nms
        for i, result in enumerate(results):
            prefix = f'{case}/img{i}/pre/'
            theirs = set(zip(fixture[prefix + 'sub_id'].tolist(), fixture[prefix + 'category'].tolist(), strict=True))
            ours = set(zip(result.query_ids.tolist(), result.hoi_labels.tolist(), strict=True))
            assert ours == theirs
            assert_allclose(result.scores.numpy(), np.sort(fixture[prefix + 'score'])[::-1], rtol=0, atol=1e-5)
