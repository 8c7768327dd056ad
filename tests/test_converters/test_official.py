"""Checkpoints of the authors, there and back; values against their weights: tests/parity."""

import runpy
import sys
from argparse import Namespace
from pathlib import Path

import pytest
import torch
from mmdet.registry import MODELS
from mmengine.config import Config
from mmengine.registry import init_default_scope

from genvlkt_mmdet.converters import (
    CheckpointError,
    convert_official,
    genvlkt_to_official,
    load_strictly,
    official_name,
    official_to_genvlkt,
    recognise,
    revert_official,
)
from genvlkt_mmdet.vocabulary import load_vocabulary

REPO = Path(__file__).resolve().parents[2]
NAMES = [
    *(f'gen_vlkt_{size}_{data}.py' for size in 'sml' for data in ('hico', 'vcoco')),
    *(f'zero_shot/gen_vlkt_s_hico_{split}.py' for split in ('rf_uc', 'nf_uc', 'uo', 'uv')),
]


@pytest.fixture(autouse=True, scope='module')
def scope():
    init_default_scope('mmdet')


def weights(name, **options):
    """State dict of a config's model, every tensor one number of its own; they take no memory."""
    cfg = Config.fromfile(REPO / 'configs' / name)
    cfg.merge_from_dict(options)
    with torch.device('meta'):
        state = MODELS.build(cfg.model).state_dict()
    result = {}
    for i, (key, value) in enumerate(state.items()):
        result[key] = torch.full((1,), i, dtype=value.dtype).expand(value.shape) if value.dim() else torch.tensor(i)
    return result


def with_text(state, split):
    """The same, both classifiers of HOIs with the rows of one text, as training leaves them."""
    rows = torch.arange(600.0)[:, None].expand(600, 512)
    seen = list(load_vocabulary('hico').seen(split))
    name = 'bbox_head.hoi_classifier.{}.weight'
    return {**state, name.format('fc'): rows[seen], name.format('eval_fc'): rows}


def same(a, b):
    return list(a) == list(b) and all(torch.equal(a[key], b[key]) and a[key].dtype == b[key].dtype for key in a)


@pytest.mark.parametrize('name', NAMES)
def test_round_trip_and_recognition(name):
    ours = weights(name)
    split = Config.fromfile(REPO / 'configs' / name).model.bbox_head.get('zero_shot')
    if split:
        ours = with_text(ours, split)
    official, unknown = revert_official(ours)
    assert not unknown
    assert not any('num_batches_tracked' in key for key in official)
    converted, unknown = convert_official(official)
    assert not unknown
    assert set(converted) == set(ours)
    assert same(revert_official(converted)[0], official)
    found = recognise(converted)
    assert (found.config, found.options, found.zero_shot, found.note) == (name, {}, split, '')


def test_names_of_the_authors():
    official, _ = revert_official(weights('zero_shot/gen_vlkt_s_hico_uv.py'))
    assert {
        'backbone.0.body.layer4.2.bn3.running_var',
        'transformer.encoder.layers.5.self_attn.in_proj_weight',
        'transformer.instance_decoder.layers.2.multihead_attn.out_proj.bias',
        'transformer.interaction_decoder.norm.weight',
        'query_embed_h.weight',
        'query_embed_o.weight',
        'pos_guided_embedd.weight',
        'hum_bbox_embed.layers.2.bias',
        'obj_bbox_embed.layers.0.weight',
        'hoi_class_fc.1.weight',
        'obj_class_fc.0.bias',
        'visual_projection.weight',
        'eval_visual_projection.bias',
        'obj_visual_projection.weight',
        'logit_scale',
        'obj_logit_scale',
        'input_proj.bias',
    } <= set(official)


class TestRecognition:
    def test_training_arguments_tell_the_split(self):
        official, _ = revert_official(weights('zero_shot/gen_vlkt_s_hico_rf_uc.py'))
        args = Namespace(zero_shot_type='non_rare_first', output_dir=Path('out'))
        converted, found, _ = official_to_genvlkt(dict(model=official, args=args))
        assert (found.config, found.zero_shot) == ('zero_shot/gen_vlkt_s_hico_nf_uc.py', 'non_rare_first')
        assert converted['meta']['dataset_meta']['zero_shot'] == 'non_rare_first'
        assert converted['meta']['official']['args']['output_dir'] == 'out'

    def test_says_what_the_weights_do_not_tell(self):
        # rows that differ between the classifiers: either split of 480 seen classes may be it
        state = weights('zero_shot/gen_vlkt_s_hico_rf_uc.py')
        assert 'rare_first and non_rare_first' in str(recognise(state))

    def test_other_sizes_become_options(self):
        state = weights(
            'gen_vlkt_s_hico.py', **{'model.bbox_head.decoder.num_layers': 4, 'model.bbox_head.num_queries': 9}
        )
        assert str(recognise(state)) == (
            'configs/gen_vlkt_s_hico.py with --cfg-options model.bbox_head.decoder.num_layers=4 '
            'model.bbox_head.num_queries=9'
        )

    def test_refuses_what_is_no_gen_vlkt(self):
        with pytest.raises(ValueError, match='is no GEN-VLKT'):
            recognise({'transformer.decoder.norm.weight': torch.zeros(3)})
        with pytest.raises(ValueError, match=r'has 7 rows; a known model has 600 \(hico\) or 263 \(vcoco\)'):
            recognise({'bbox_head.hoi_classifier.fc.weight': torch.zeros(7, 2)})
        with pytest.raises(ValueError, match='is no GEN-VLKT'):
            genvlkt_to_official(dict(state_dict={'neck.convs.0.conv.weight': torch.zeros(2)}))


def test_strict_loading_names_tensors_as_the_authors_do():
    model = torch.nn.Linear(2, 1)
    model.register_parameter('more', torch.nn.Parameter(torch.zeros(1)))
    weights = {'weight': torch.zeros(1, 3), 'bias': torch.zeros(1), 'neck.convs.0.conv.bias': torch.zeros(1)}
    with pytest.raises(CheckpointError) as error:
        load_strictly(model, weights, 'a.pth', 'b.py', name_of=official_name)
    assert str(error.value) == (
        'The checkpoint a.pth does not fit the config b.py: of its weights are 1 of another shape (weight is 1x3 instead of '
        '1x2), 1 missing (more), 1 unknown (input_proj.bias).'
    )


def run_tool(monkeypatch, *arguments):
    path = REPO / 'tools/model_converters/official_to_genvlkt.py'
    monkeypatch.setattr(sys, 'argv', [path.name, *map(str, arguments)])
    runpy.run_path(str(path), run_name='__main__')


def test_tool_there_and_back(tmp_path, monkeypatch, capsys):
    official, _ = revert_official(weights('gen_vlkt_s_vcoco.py'))
    theirs = dict(model=official, optimizer=dict(state={}, param_groups=[]), epoch=89, args=Namespace(lr=1e-4))
    theirs['model'] = {**official, 'extra.weight': torch.zeros(1)}
    torch.save(theirs, tmp_path / 'theirs.pth')
    run_tool(monkeypatch, tmp_path / 'theirs.pth', tmp_path / 'ours.pth')
    said = capsys.readouterr().out
    assert 'This model is configs/gen_vlkt_s_vcoco.py.' in said
    assert '1 tensors have no place there and are left out:\n  extra.weight\n' in said
    assert 'strict=True' in said

    run_tool(monkeypatch, tmp_path / 'ours.pth', tmp_path / 'back.pth', '--reverse')
    assert same(torch.load(tmp_path / 'back.pth')['model'], official)

    # a config in a folder
    torch.save(dict(model=revert_official(with_text(weights(NAMES[-1]), 'unseen_verb'))[0]), tmp_path / 'zero_shot.pth')
    run_tool(monkeypatch, tmp_path / 'zero_shot.pth', tmp_path / 'ours.pth')
    assert f'This model is configs/{NAMES[-1]}.' in capsys.readouterr().out

    del theirs['model']['query_embed_o.weight']
    torch.save(theirs, tmp_path / 'theirs.pth')
    with pytest.raises(
        SystemExit,
        match=r'gen_vlkt_s_vcoco.py: of its weights are 1 missing \(query_embed_o.weight\).$',
    ):
        run_tool(monkeypatch, tmp_path / 'theirs.pth', tmp_path / 'ours.pth')
