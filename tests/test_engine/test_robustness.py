import json

import numpy as np
import pytest
import torch
from mmengine.config import Config

from genvlkt_mmdet.engine import build_model, testing_config
from genvlkt_mmdet.engine import robustness as module
from genvlkt_mmdet.engine.robustness import measure_robustness, robustness_table
from genvlkt_mmdet.evaluation.functional import summarize_robustness
from tests.test_engine.toy import detector_config


def test_summary_by_hand():
    values = np.array([[0.5, 0.3], [0.2, 0.2]])
    summary = summarize_robustness(0.5, values)
    assert summary.mean == pytest.approx(0.3)
    # the deviation of 0.5 and 0.3 is 10 percent
    assert summary.composite == pytest.approx((0.8 / (1 + np.log(11)) + 0.4) / 2)
    assert np.isnan(summarize_robustness(0.0, values).composite)


@pytest.fixture
def config(tmp_path, monkeypatch):
    """A small detector with random weights, and its test set of four images that differ in brightness."""
    monkeypatch.chdir(tmp_path)
    cfg = detector_config(tmp_path)
    (record,) = json.loads((tmp_path / 'train.json').read_text())
    rng = np.random.default_rng(0)
    import cv2

    for name in 'bcd':
        cv2.imwrite(str(tmp_path / 'images' / f'{name}.jpg'), rng.integers(0, 256, (64, 96, 3), dtype=np.uint8))
    (tmp_path / 'train.json').write_text(json.dumps([dict(record, file_name=f'{name}.jpg') for name in 'abcd']))
    cfg['test_evaluator'] = [dict(type='HOIBoxMetric', nms_iou=0.9), dict(type='HICOMetric')]
    Config(cfg).dump('small.py')
    torch.manual_seed(0)
    torch.save(dict(state_dict=build_model(Config(cfg)).state_dict()), 'a.pth')
    return lambda **options: testing_config('small.py', 'a.pth', cfg_options=options)


def counted(monkeypatch):
    """The corruptions that are evaluated."""
    calls, original = [], module._evaluate

    def evaluate(model, cfg, corruption=None):
        calls.append(corruption and (corruption['corruption'], corruption['level']))
        return original(model, cfg, corruption)

    monkeypatch.setattr(module, '_evaluate', evaluate)
    return calls


def test_goes_on_after_an_interruption(config, tmp_path, monkeypatch):
    calls = counted(monkeypatch)
    arguments = dict(corruptions=['fog', 'rain'], levels=[1, 5])
    complete = measure_robustness(config(), tmp_path / 'whole.json', **arguments)
    assert calls == [None, ('fog', 1), ('fog', 5), ('rain', 1), ('rain', 5)]
    assert complete == json.loads((tmp_path / 'whole.json').read_text())
    assert {'boxes/object/mAP', 'hico/full'} <= set(complete['clean']) & set(complete['corrupted']['rain']['5'])

    def killed(*args, **kwargs):
        if len(calls) == 3:
            raise KeyboardInterrupt
        return original(*args, **kwargs)

    calls.clear()
    original = module._evaluate
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(module, '_evaluate', killed)
        measure_robustness(config(), tmp_path / 'part.json', **arguments)
    assert calls == [None, ('fog', 1), ('fog', 5)]
    calls.clear()
    assert measure_robustness(config(), tmp_path / 'part.json', **arguments) == complete
    assert calls == [('rain', 1), ('rain', 5)]
    calls.clear()
    part = measure_robustness(config(), tmp_path / 'part.json', corruptions=['rain'], levels=[5])
    assert calls == [] and part['summary']['mean'] == complete['corrupted']['rain']['5'][complete['metric']]
    table = robustness_table(complete)
    assert f'| {complete["metric"]} | level 1 | level 5 | mean' in table and '| rain' in table
    assert f'Mean robustness: {100 * complete["summary"]["mean"]:.2f}.' in table


def test_figures_of_another_run_are_refused(config, tmp_path):
    out = tmp_path / 'r.json'
    arguments = dict(corruptions=['fog'], levels=[1])
    measure_robustness(config(), out, **arguments)
    for other in (dict(seed=1), dict(num_images=2)):
        with pytest.raises(ValueError, match="r.json' has the figures of another model"):
            measure_robustness(config(), out, **arguments, **other)
    with pytest.raises(ValueError, match="r.json' has the figures of another model"):
        measure_robustness(
            config(**{'model.bbox_head.num_queries': 6, 'test_dataloader.batch_size': 2}), out, **arguments
        )
    out.write_text('{"settings": 1}')
    with pytest.raises(ValueError, match="r.json' does not hold what it should"):
        measure_robustness(config(), out, **arguments)


def test_images_are_spread_over_the_test_set(config, tmp_path, monkeypatch):
    seen = []
    build = module.Runner.build_dataloader

    def spy(*args, **kwargs):
        loader = build(*args, **kwargs)
        seen.append([loader.dataset.get_data_info(i)['img_path'][-5] for i in range(len(loader.dataset))])
        return loader

    monkeypatch.setattr(module.Runner, 'build_dataloader', spy)
    measure_robustness(config(), tmp_path / 'r.json', ['fog'], [1], num_images=2)
    assert seen == [['a', 'b', 'c', 'd'], ['a', 'c'], ['a', 'c']]
    with pytest.raises(ValueError, match='must be from 1 to 4, the size of the test set, not 5'):
        measure_robustness(config(), tmp_path / 's.json', ['fog'], [1], num_images=5)
    with pytest.raises(ValueError, match="Unknown corruption 'haze'"):
        measure_robustness(config(), tmp_path / 's.json', ['haze'])
    with pytest.raises(ValueError, match='levels from 1 to 5'):
        measure_robustness(config(), tmp_path / 's.json', ['fog'], [6])
