"""detr_to_genvlkt.py on the two kinds of DETR that people have, at their real size."""

import runpy
import sys
from pathlib import Path

import mmdet
import pytest
import torch
from mmdet.registry import MODELS
from mmengine.config import Config
from mmengine.registry import init_default_scope

from genvlkt_mmdet.converters import convert_detr, revert_official

REPO = Path(__file__).resolve().parents[2]
CONFIG = REPO / 'configs/gen_vlkt_s_hico.py'


def numbered(shapes):
    """A tensor for each name, filled with one number of its own; takes no memory."""
    return {name: torch.full((1,), float(i)).expand(shape) for i, (name, shape) in enumerate(shapes.items())}


def state_of(config):
    return {name: torch.empty(1).expand(shape) for name, shape in shapes_of(Config.fromfile(config).model).items()}


def shapes_of(model_cfg):
    init_default_scope('mmdet')
    with torch.device('meta'):
        return {k: v.shape for k, v in MODELS.build(model_cfg).state_dict().items() if v.dim()}


def mmdet_detr():
    """mmdet's DETR-R50, from mmdet's own config."""
    cfg = Config.fromfile(Path(mmdet.__file__).parent / '.mim/configs/detr/detr_r50_8xb2-150e_coco.py').model
    cfg.backbone.init_cfg = None
    return numbered(shapes_of(cfg))


def facebook_detr():
    """The published COCO DETR-R50: six decoder layers, 91 classes and 'no object', 100 queries."""
    model, _ = revert_official(state_of(CONFIG))
    shapes = {
        k: v.shape for k, v in model.items() if k.startswith(('backbone.', 'input_proj.', 'transformer.encoder.'))
    }
    layer = {k: v.shape for k, v in model.items() if k.startswith('transformer.instance_decoder.layers.0.')}
    for i in range(6):
        shapes.update({k.replace('instance_decoder.layers.0', f'decoder.layers.{i}'): v for k, v in layer.items()})
    shapes.update({f'transformer.decoder.norm.{k}': (256,) for k in ('weight', 'bias')})
    for i, rows in enumerate((256, 256, 4)):
        shapes.update({f'bbox_embed.layers.{i}.weight': (rows, 256), f'bbox_embed.layers.{i}.bias': (rows,)})
    shapes.update({'class_embed.weight': (92, 256), 'class_embed.bias': (92,), 'query_embed.weight': (100, 256)})
    return numbered(shapes)


NAMES = {  # which tensor of the DETR fills which of ours
    'mmdet': {
        'backbone.layer4.2.bn3.running_var': 'backbone.layer4.2.bn3.running_var',
        'encoder.layers.5.ffn.layers.1.bias': 'encoder.layers.5.ffn.layers.1.bias',
        'bbox_head.instance_decoder.layers.2.norms.2.weight': 'decoder.layers.2.norms.2.weight',
        'bbox_head.interaction_decoder.layers.2.norms.2.weight': 'decoder.layers.2.norms.2.weight',
        'bbox_head.interaction_decoder.post_norm.bias': 'decoder.post_norm.bias',
        'bbox_head.human_box_mlp.2.weight': 'bbox_head.reg_ffn.layers.1.weight',
        'bbox_head.object_box_mlp.4.bias': 'bbox_head.fc_reg.bias',
    },
    'facebookresearch': {
        'backbone.layer4.2.bn3.running_var': 'backbone.0.body.layer4.2.bn3.running_var',
        'encoder.layers.5.ffn.layers.1.bias': 'transformer.encoder.layers.5.linear2.bias',
        'bbox_head.instance_decoder.layers.2.norms.2.weight': 'transformer.decoder.layers.2.norm3.weight',
        'bbox_head.interaction_decoder.layers.2.cross_attn.attn.out_proj.bias': (
            'transformer.decoder.layers.2.multihead_attn.out_proj.bias'
        ),
        'bbox_head.interaction_decoder.post_norm.bias': 'transformer.decoder.norm.bias',
        'bbox_head.human_box_mlp.2.weight': 'bbox_embed.layers.1.weight',
        'bbox_head.object_box_mlp.4.bias': 'bbox_embed.layers.2.bias',
    },
}


@pytest.mark.parametrize(('source', 'detr'), [('mmdet', mmdet_detr), ('facebookresearch', facebook_detr)])
def test_published_detr_fills_all_but_the_head_of_its_own(source, detr):
    detr = detr()
    converted, transfer = convert_detr(detr, state_of(CONFIG))
    assert transfer.source == source
    for ours, theirs in NAMES[source].items():
        assert torch.equal(converted[ours], detr[theirs]), ours
    new = {name.split('.')[1] for name in transfer.new if name.startswith('bbox_head.')}
    assert new == {'pair_embed', 'hoi_classifier', 'obj_classifier'}
    assert all(name.startswith('bbox_head.') for name in transfer.new)
    beyond = {name for name in transfer.left if '.layers.' in name}  # layers 4 to 6 of the decoder
    assert beyond and all(name.split('layers.')[1][0] in '345' for name in beyond)


def test_queries_start_from_detr():
    detr = facebook_detr()
    for config, parts in (
        (CONFIG, ('human_embed', 'object_embed')),
        (REPO / 'configs/ablation/gen_s_hico_wo_pge.py', ('instance_embed',)),
    ):
        converted, _ = convert_detr(detr, state_of(config))
        for part in parts:
            assert torch.equal(converted[f'bbox_head.{part}.weight'], detr['query_embed.weight'][:64])


def test_tool_writes_a_start_and_says_what_it_did(tmp_path, monkeypatch, capsys):
    path = REPO / 'tools/model_converters/detr_to_genvlkt.py'
    detr = facebook_detr()
    torch.save(dict(model=detr), tmp_path / 'detr.pth')
    arguments = [tmp_path / 'detr.pth', tmp_path / 'start.pth', '--config', CONFIG]
    monkeypatch.setattr(sys, 'argv', [path.name, *map(str, arguments)])
    runpy.run_path(str(path), run_name='__main__')
    said = capsys.readouterr().out
    assert 'Taken:\n  backbone.0.body.conv1.weight\n' in said
    assert '  class_embed.weight\n' in said.split('Left:')[1].split('New:')[0]
    assert '  bbox_head.pair_embed.weight\n' in said.split('New:')[1]
    start = torch.load(tmp_path / 'start.pth')['state_dict']
    assert torch.equal(start['bbox_head.object_box_mlp.4.weight'], detr['bbox_embed.layers.2.weight'])

    torch.save(dict(model={'fc.weight': torch.zeros(1)}), tmp_path / 'detr.pth')
    with pytest.raises(SystemExit, match='is no DETR'):
        runpy.run_path(str(path), run_name='__main__')
