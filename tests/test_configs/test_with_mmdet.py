"""The configs with what mmengine and MMDetection offer beside training."""

import json
import time

import mmdet
import pytest
import torch
from mmengine.config import Config
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from genvlkt_mmdet.engine import SafeCheckpointHook, run_mmdet_tool, train_model, training_config
from genvlkt_mmdet.evaluation import HICOMetric, HOIBoxMetric, VCOCOMetric

from .conftest import shrunk


@pytest.fixture
def config_file(toy_data, tiny_clip, tmp_path):
    """Makes a small config, as a file."""

    def write(dataset):
        cfg = shrunk(f'gen_vlkt_s_{dataset}.py', toy_data, tiny_clip, tmp_path / 'work')
        cfg.default_hooks.checkpoint = dict(type='SafeCheckpointHook', interval=1, save_best='auto')
        cfg.default_hooks.logger.interval = 1
        # A backend is made once a process and name.
        cfg.visualizer.update(name=str(tmp_path), vis_backends=[dict(type='LocalVisBackend')])
        cfg.dump(tmp_path / 'small.py')
        return tmp_path / 'small.py'

    return write


def test_more_is_better_of_every_figure():
    for metric in (HICOMetric, VCOCOMetric, HOIBoxMetric):
        for figure in metric.figures:
            hook = SafeCheckpointHook(save_best=f'{metric.default_prefix}/{figure}')
            assert hook.rules == ['greater'], figure
    assert SafeCheckpointHook(save_best='loss').rules == ['less']


def test_save_best_of_an_unknown_figure_is_a_sentence():
    hook = SafeCheckpointHook(save_best='coco/bbox_mAP')
    with pytest.raises(ValueError, match=r"save_best names 'coco/bbox_mAP', .* choose one of hico/full, hico/rare\."):
        hook._save_best_checkpoint(None, {'hico/full': 0.3, 'hico/rare': 0.2})


def test_best_checkpoint_of_vcoco(config_file, tmp_path):
    train_model(training_config(config_file('vcoco')))
    assert (tmp_path / 'work' / 'best_vcoco_scenario_1_mean_24_epoch_1.pth').is_file()


def test_best_checkpoint_tensorboard_and_the_scripts_of_mmdetection(config_file, tmp_path, monkeypatch):
    file = config_file('hico')
    backends = [dict(type='LocalVisBackend'), dict(type='TensorboardVisBackend')]
    train_model(training_config(file, cfg_options={'visualizer.vis_backends': backends}))
    assert (tmp_path / 'work' / 'best_hico_full_epoch_1.pth').is_file()

    vis_data = next((tmp_path / 'work').glob('*/vis_data'))
    board = EventAccumulator(str(vis_data))
    board.Reload()
    assert {'loss', 'loss_hoi', 'hico/full'} <= set(board.Tags()['scalars'])
    logged = [json.loads(line) for line in (vis_data / 'scalars.json').read_text().splitlines()]
    losses = [line['loss'] for line in logged if 'loss' in line]
    assert [event.value for event in board.Scalars('loss')] == pytest.approx(losses)

    monkeypatch.chdir(tmp_path)
    run_mmdet_tool('publish_model', ['work/epoch_1.pth', 'published.pth'])
    for _ in range(100):  # the script does not wait for the `mv` that it starts
        if (tmp_path / 'published.pth').exists():
            time.sleep(0.1)
    published = torch.load(next(tmp_path.glob('published-*.pth')), weights_only=True)
    assert set(published) == {'meta', 'state_dict'}

    run_mmdet_tool('browse_dataset', [str(file), '--output-dir', 'drawn', '--not-show'])
    assert len(list((tmp_path / 'drawn').iterdir())) == 5

    arguments = ['--task', 'dataset', '--max-iter', '2', '--num-warmup', '1', '--work-dir', '.']
    run_mmdet_tool('benchmark', [str(file), *arguments])

    scalars = str(vis_data / 'scalars.json')
    # The default style of the fork's script is one that matplotlib does not have.
    style = ['--style', 'default'] if mmdet.__version__ >= '3.5' else []
    run_mmdet_tool('analyze_logs', ['plot_curve', scalars, '--keys', 'loss', '--out', 'loss.png', *style])
    assert (tmp_path / 'loss.png').stat().st_size > 1000


def test_unknown_script_is_a_sentence():
    with pytest.raises(FileNotFoundError, match="no script 'browse_datasets': did you mean browse_dataset"):
        run_mmdet_tool('browse_datasets', [])


def test_config_inherits_from_the_installed_package(tmp_path):
    """mmengine's `package::config` knows the packages of OpenMMLab alone, so a config asks this one for the file."""
    (tmp_path / 'mine.py').write_text(
        "_base_ = str(__import__('genvlkt_mmdet').apis.find_config('gen_vlkt_s_hico'))\n"
        'model = dict(bbox_head=dict(num_queries=100))\n'
    )
    cfg = Config.fromfile(tmp_path / 'mine.py')
    assert cfg.model.bbox_head.num_queries == 100 and cfg.model.type == 'GENVLKT'
    assert 'genvlkt_mmdet' in cfg.custom_imports.imports and '_base_' not in cfg
