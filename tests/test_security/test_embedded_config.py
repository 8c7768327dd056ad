"""A checkpoint's config is data: nothing in it runs, and nothing that it names is imported or built beyond a short list."""

import json
import sys
from copy import deepcopy

import numpy as np
import pytest
import torch
from mmengine.config import Config

from genvlkt_mmdet.apis import HOIInferencer
from genvlkt_mmdet.engine import CheckpointError, embed_config, read_embedded_config
from genvlkt_mmdet.engine.embedded_config import _with_present_settings

IMAGE = np.full((96, 128, 3), 90, np.uint8)


def refused(weights, message, **kwargs):
    with pytest.raises(CheckpointError, match=message) as caught:
        HOIInferencer(weights=weights, device='cpu', show_progress=False, **kwargs)
    assert '\n' not in str(caught.value)


@pytest.fixture
def with_json(save):
    """Saves a checkpoint whose config is JSON, changed by a function."""

    def call(config, change):
        data = deepcopy(config.to_dict())
        change(data)
        meta = {}
        embed_config(dict(meta=meta), Config(data))
        return save(meta)

    return call


def test_text_of_a_checkpoint_does_not_run(config, save, trap):
    refused(
        save(dict(cfg=f'x = {trap.python}\n{config.pretty_text}')), 'calls more than dict.. in line 1: give the config'
    )
    hub = dict(runtime_info=dict(cfg=f'{trap.python}\n'))
    refused(save({}, message_hub=hub), 'does more in line 1 than to assign a value')


@pytest.mark.parametrize(
    'line',
    [
        'x = [{python} for _ in [1]]',
        'x = dict(**{python})',
        'x = {{1: {python}}}',
        'x = dict(a=dict(b=({python},)))',
        'x = f"{{{python}}}"',
        'x = (lambda: {python})()',
        'x: int = {python}',
        'x, y = {python}, 1',
        'x.y = {python}',
        'import os',
        'def f(): pass',
        'x = ().__class__',
        '_base_ = "{{{{ fileDirname }}}}/evil.py"\nx = {python}',
        'if {python}: pass',
        'x = 1 if {python} else 2',
    ],
)
def test_no_expression_is_evaluated(config, save, trap, line):
    refused(save(dict(cfg=line.format(python=trap.python) + '\n' + config.pretty_text)), 'is not used, since it')


def test_trust_runs_the_text(config, save, tmp_path):
    ran = tmp_path / 'ran'
    text = f"x = __import__('pathlib').Path({str(ran)!r}).touch()\n{config.pretty_text}"
    HOIInferencer(weights=save(dict(cfg=text)), device='cpu', show_progress=False, trust_config=True)
    assert ran.exists()


def test_tool_tells_what_trust_means(monkeypatch, capsys):
    import runpy
    from pathlib import Path

    monkeypatch.setattr(sys, 'argv', ['infer.py', '--help'])
    with pytest.raises(SystemExit):
        runpy.run_path(str(Path(__file__).parents[2] / 'tools' / 'infer.py'), run_name='__main__')
    assert 'run any code on this machine' in ' '.join(capsys.readouterr().out.split())


def test_custom_imports(config, with_json, save, tmp_path, monkeypatch, trap):
    (tmp_path / 'evil_module.py').write_text(f'import os; os.system({trap.shell!r})')
    monkeypatch.syspath_prepend(tmp_path)
    for imports in (
        ['evil_module'],
        'evil_module',
        ['genvlkt_mmdet', 'evil_module'],
        ['mmdet_evil'],
        ['genvlkt_mmdet..x'],
        [3],
    ):
        refused(
            with_json(config, lambda data, names=imports: data.update(custom_imports=dict(imports=names))), 'imports'
        )
    text = config.pretty_text.replace("'genvlkt_mmdet',", "'evil_module',")
    refused(save(dict(cfg=text)), "imports 'evil_module'")
    assert 'evil_module' not in sys.modules


@pytest.mark.parametrize(
    ('place', 'part'),
    [
        ('model', dict(type='os.system', command='{shell}')),
        ('model.backbone', dict(type='subprocess.getoutput', cmd='{shell}')),
        ('model.neck.norm_cfg', dict(type='evil_module')),
        ('model.backbone.norm_cfg', dict(type='evil_package.Thing')),
        ('model.bbox_head.loss_obj', dict(type='builtins.eval', source='{python}')),
        # in mmdet's registries, and its constructor evaluates the argument
        ('model.train_cfg.assigner', dict(type='CameraMotionCompensation', warp_mode='{python}')),
        # in mmdet's registries, and its constructor runs another config file
        ('model.backbone', dict(type='KnowledgeDistillationSingleStageDetector', teacher_config='evil_module.py')),
        ('model.data_preprocessor', dict(type='evil_scope.Thing')),
        ('model.backbone', dict(type='ResNet', depth=18, _scope_='evil_package')),
        ('model.bbox_head.decoder.layer_cfg.ffn_cfg.act_cfg', dict(type='evil_module')),
        ('test_dataloader.dataset.pipeline.1', dict(type='evil_module')),
        ('test_dataloader.dataset.pipeline.1', dict(type='RandomChoiceResize', resize_type='evil_module', scales=[1])),
        ('test_dataloader.dataset.pipeline.1', dict(type='RandomChoice', transforms=[[dict(type='evil_module')]])),
        ('test_dataloader.collate_fn', dict(type='evil_module')),
        ('test_dataloader.collate_fn', 'evil_module.function'),
        ('visualizer', dict(type='evil_module')),
        ('visualizer', dict(type='HOIVisualizer', vis_backends=[], save_dir=dict(type='evil_module'))),
        # known names in the wrong registry, which looks for a module of that name
        ('model.backbone', dict(type='HICOMetric')),
        ('test_dataloader.dataset.pipeline.1', dict(type='HICOMetric')),
    ],
)
def test_named_classes(config, with_json, tmp_path, monkeypatch, trap, place, part):
    for name in (
        'evil_module.py',
        'HICOMetric.py',
        'evil_package/__init__.py',
        'evil_package/registry.py',
        'evil_scope/registry.py',
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(f'import os; os.system({trap.shell!r})')
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    if isinstance(part, dict):
        part = {
            key: value.format(shell=trap.shell, python=trap.python) if isinstance(value, str) else value
            for key, value in part.items()
        }

    def change(data):
        *path, last = place.split('.')
        for key in path:
            data = data[int(key)] if isinstance(data, list) else data.setdefault(key, {})
        data[int(last) if isinstance(data, list) else last] = part

    refused(with_json(config, change), r'is not used, since it|cannot be built')
    assert not {'evil_module', 'evil_package', 'HICOMetric'} & set(sys.modules)


def test_what_would_run_with_trust(config, save, trap):
    """The config that is refused above does run code in the hands of mmengine: the test would notice."""
    data = deepcopy(config)
    data.model.train_cfg.assigner = dict(type='CameraMotionCompensation', warp_mode=trap.python)
    text = data.pretty_text
    HOIInferencer(weights=save(dict(cfg=text)), device='cpu', show_progress=False, trust_config=True)
    assert trap.sprung
    trap.path.unlink()


@pytest.mark.parametrize(
    'text',
    [
        'x = (',
        'x = ' + '(' * 5000,
        'x = ' + '-' * 50000 + '1',
        'x = ' + 'dict(a=' * 190 + '1' + ')' * 190,
        '\0',
        'x = 1e999 +',
    ],
)
def test_damaged_text(save, text):
    refused(save(dict(cfg=text)), 'is damaged: it cannot be parsed|describes no model|is nested too deeply')


@pytest.mark.parametrize(
    'value',
    ['{', '[]', '1', '[' * 100_000, b'\xff', 3, json.dumps(dict(model=3)), json.dumps(dict(model=dict(type=['a'])))],
)
def test_damaged_json(save, value):
    refused(save(dict(cfg_json=value)), "'.*hostile.pth'")


def test_json_nested_deeply(config, with_json):
    deep = {}
    for _ in range(200):
        deep = dict(a=deep)
    refused(with_json(config, lambda data: data['model'].update(train_cfg=deep)), 'is nested too deeply')


@pytest.mark.parametrize('checkpoint', [dict(meta='text'), dict(meta=dict(cfg=3)), dict(message_hub=[1]), dict()])
def test_no_config(checkpoint):
    with pytest.raises(CheckpointError, match="'x.pth' carries no config: give"):
        read_embedded_config(checkpoint, 'x.pth')


def test_json_keeps_tuples_and_gives_the_same_result(config, save, state):
    meta = dict(cfg=config.pretty_text)
    embed_config(dict(meta=meta), config)
    assert isinstance(json.loads(meta['cfg_json']), dict)
    read = read_embedded_config(dict(meta=meta), 'x.pth')
    assert read.model.backbone.out_indices == (2,) and isinstance(read.model.backbone.out_indices, tuple)
    assert read.model.to_dict() == config.model.to_dict()
    assert read_embedded_config(dict(meta=dict(cfg=config.pretty_text)), 'x.pth').to_dict() == read.to_dict()
    results = [
        HOIInferencer(weights=save(m, f'{i}.pth'), device='cpu', show_progress=False)(IMAGE, pred_score_thr=0)
        for i, m in enumerate((meta, dict(cfg=config.pretty_text)))
    ]
    assert results[0]['predictions'] == results[1]['predictions'] and results[0]['predictions'][0]


def test_config_that_is_more_than_data_is_not_embedded():
    meta = {}
    embed_config(dict(meta=meta), Config(dict(model=dict(type=torch.nn.Linear))))
    assert meta == {}


def test_settings_of_earlier_versions_are_read_as_the_present_ones():
    """An older head had flags for its classifiers; some registered names were shorter."""
    clip = dict(model_name='some')
    head = dict(
        type='RandomTextGENHead',
        decoder={},
        clip=clip,
        clip_dims=16,
        hoi_prior=0.1,
        obj_text=False,
        loss_mimic=dict(type='VLKTLoss'),
    )
    nms = dict(type='TripletNMS')
    old = dict(model=dict(bbox_head=head, test_cfg=dict(nms=nms)), pipeline=[dict(resize_type='ResizeShortSide')])
    text = dict(type='TextClassifier', clip=clip, clip_dims=16, text='random', prior=0.1)
    assert _with_present_settings(old) == dict(
        model=dict(
            bbox_head=dict(
                type='GENHead',
                decoder={},
                hoi_classifier=text,
                obj_classifier=dict(type='LinearClassifier'),
                loss_mimic=dict(type='VLKTLoss', clip=clip),
            ),
            test_cfg=dict(nms=dict(type='HOITripletNMS')),
        ),
        pipeline=[dict(resize_type='HOIResizeShortSide')],
    )
