"""The benchmarks on tiny sizes: figures are finite and fit together, and the plain model computes what the package does."""

import importlib
import json
import math
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from genvlkt_mmdet.apis.configs import read_config
from genvlkt_mmdet.structures import HOIDataSample
from genvlkt_mmdet.vocabulary import load_vocabulary

ROOT = Path(__file__).resolve().parents[2]
MODEL = 'gen_vlkt_tiny_minihoi'


@pytest.fixture
def script(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / 'tools' / 'benchmark'))
    return importlib.import_module


@pytest.fixture
def run(script, monkeypatch, tmp_path, capsys):
    """Calls a benchmark with a command line: its run in the file, and what it printed."""

    def call(name: str, *arguments: object) -> tuple[dict, str]:
        out, threads = tmp_path / 'figures.json', torch.get_num_threads()
        monkeypatch.setattr(sys, 'argv', [name, '--out', str(out), '--repeats', '2', *map(str, arguments)])
        try:
            script(f'bench_{name}').main()
        finally:
            torch.set_num_threads(threads)
        return json.loads(out.read_text())[-1], capsys.readouterr().out

    return call


def check(run: dict, printed: str, stages: set[str]) -> dict:
    """Checks what holds for every benchmark; returns the candidates of the first case."""
    assert json.loads(printed.splitlines()[-1]) == run
    assert run['machine']['versions']['torch'] == torch.__version__.partition('+')[0]
    candidates = run['cases'][0]['candidates']
    assert set(candidates['genvlkt']['stages']) == stages | {'other'}
    for name, figures in candidates.items():
        seconds = figures['seconds']
        assert 0 < seconds['min'] <= seconds['median'] <= seconds['max'] < math.inf
        assert all(0 < ratio < math.inf for ratio in figures['relative_to'].values())
        assert f'| {name}' in printed
    return candidates


def test_plain_model_computes_what_the_package_does(script):
    common, plain_model = script('common'), script('plain_model')
    cfg = read_config(MODEL)
    model = common.build_model(cfg, 'cpu').eval()
    plain = plain_model.PlainGENVLKT(cfg.model, model.state_dict()).eval()
    sizes = [(96, 128), (128, 80)]
    images = torch.zeros(2, 3, 128, 128)
    for image, (height, width) in zip(images, sizes):
        image[:, :height, :width].normal_(generator=torch.Generator().manual_seed(height))
    samples = [HOIDataSample(metainfo=dict(img_shape=size, ori_shape=size)) for size in sizes]
    with torch.no_grad():
        theirs, ours = plain(images, sizes), model._forward(images, samples)
        assert set(theirs) == set(ours)
        for name, value in ours.items():
            torch.testing.assert_close(theirs[name], value, rtol=0, atol=1e-4)
        # The weights are random and boxes nearly equal, so that much is suppressed. The same outputs go into both.
        found = plain.predict(ours, sizes)
        expected = model.bbox_head.predict_by_feat({name: value[-1] for name, value in ours.items()}, sizes)
    for triplets, wanted in zip(found, expected):
        assert 0 < len(wanted) < plain.max_per_img
        for name, value in triplets.items():
            torch.testing.assert_close(value, wanted[name], rtol=0, atol=1e-3, equal_nan=True)


def test_stages_count_nested_calls_once(script, monkeypatch):
    common = script('common')

    class Work:
        def outer(self) -> None:
            self.inner()

        def inner(self) -> None:
            pass

    work, clock = Work(), iter([0, 1, 5, 7])  # outer from 0 to 7, inner from 1 to 5
    monkeypatch.setattr(common, 'time', SimpleNamespace(perf_counter=clock.__next__))
    with common.timed_stages(dict(outer=[(work, 'outer')], inner=[(work, 'inner')]), 'cpu') as seconds:
        work.outer()
    assert seconds == dict(outer=3, inner=4)
    assert not vars(work)


def test_flops_of_attention_are_counted(script):
    query = torch.randn(1, 2, 5, 8)
    count = script('common').count_flops(
        lambda: torch.nn.functional.scaled_dot_product_attention(query, query, query), 'cpu'
    )
    assert count == 2 * (2 * 2 * 5 * 5 * 8)


def test_inference(run):
    stages = {'preprocessing', 'backbone', 'encoder', 'instance decoder', 'interaction decoder', 'heads'}
    figures, printed = run('inference', '--device', 'cpu', '--model', MODEL, '--sizes', '64x96', '--threads', 1)
    candidates = check(figures, printed, stages | {'post-processing'})
    assert set(candidates) == {'genvlkt', 'genvlkt as trained', 'plain', 'DETR R-50'}
    ours, as_trained, plain = (candidates[name]['flops'] for name in ('genvlkt', 'genvlkt as trained', 'plain'))
    assert ours == as_trained > 1e7  # the fused convolutions are counted
    assert 0.9 * plain < ours < plain  # the plain model has heads in every layer
    assert figures['cases'][0]['peak_flops'] > 1e8
    run(
        *('inference', '--device', 'cpu', '--model', MODEL, '--sizes', '64x96', '--dtype', 'bfloat16'),
        *('--candidates', 'genvlkt', 'plain', '--repeats', 1),
    )


def test_engines(run, script, monkeypatch):
    pytest.importorskip('openvino', reason='exported models need the extra `export`')
    monkeypatch.setattr(script('bench_engines').shutil, 'which', lambda name: None)
    figures, printed = run(
        *('engines', '--model', MODEL, '--weights', f'genvlkt://{MODEL}.pth', '--sizes', '64x96', '--batch-size', 2),
        *('--dtype', 'bfloat16', '--threads', 1),
        *('--candidates', 'optimised', 'eager', 'compiled', 'ONNX Runtime', 'OpenVINO'),
    )
    candidates = figures['cases'][0]['candidates']
    assert candidates['compiled'] == dict(error='not run: no C++ compiler')
    assert candidates['ONNX Runtime'] == dict(error='not run: float32 only')
    for name in ('eager', 'OpenVINO'):
        assert 0 < candidates[name]['relative_to']['optimised'] < math.inf and candidates[name]['images_per_second'] > 0
    assert '| time / optimised |' in printed.replace('  ', ' ') and 'GFLOP' not in printed


@pytest.mark.slow
def test_exports_are_compared(script, monkeypatch, capsys, tmp_path):
    monkeypatch.setenv('GENVLKT_CACHE', str(tmp_path))
    tool = script('check_exports')
    assert (
        len(set(tool.many_phrases(load_vocabulary('hico'))))
        == len(tool.many_phrases(load_vocabulary('minihoi')))
        == 700
    )
    monkeypatch.setattr(tool, 'many_phrases', lambda vocabulary: [('hold', 'cup'), ('kick', 'cup')])
    arguments = ['check', '--formats', 'pt2', '--images', '2', '--model', MODEL, '--sizes', '96x64', '--threads', '1']
    monkeypatch.setattr(sys, 'argv', arguments)
    threads = torch.get_num_threads()
    try:
        with pytest.raises(SystemExit) as ended:
            tool.main()
    finally:
        torch.set_num_threads(threads)
    assert ended.value.code == 0
    lines = capsys.readouterr().out.split('\n\n')[-1]
    assert lines.count('| small model, pt2') == lines.count(f'| {MODEL}, pt2') == 3 and lines.count(' equal ') == 6


def test_training_in_two_precisions(run):
    figures, printed = run(
        *('training', '--device', 'cpu', '--model', MODEL, '--sizes', '32x32', '--dtype', 'float32', 'bfloat16'),
        *('--candidates', 'genvlkt', 'plain', '--repeats', 1),
    )
    stages = {'preprocessing', 'forward', 'matching', 'loss', 'teacher', 'backward', 'optimiser'}
    candidates = check(figures, printed, stages)
    assert candidates['genvlkt']['flops'] == candidates['plain']['flops'] > 1e7
    assert len(figures['cases']) == 2 and figures['threads'] == 2


def test_data_and_page(run, script, tmp_path):
    figures, printed = run('data', '--number', 3)
    candidates = check(figures, printed, {'decode', 'jitter', 'resize', 'CLIP image', 'collate'})
    assert all(0.2 < own['megapixels'] < 1.1 for own in candidates.values())
    text = script('write_page').page([figures])
    assert figures['date'] in text and '| PIL + torchvision |' in text and 'Nothing has been measured' not in text


def test_diagnosis(script):
    figures = script('bench_diagnosis').measure(30, 20, 'official')
    parts = [figures[f'{part}_cpu_seconds'] for part in ('errors', 'fixes', 'pairs')]
    assert figures['all_cpu_seconds'] == pytest.approx(sum(parts)) and min(parts) >= 0
    assert 0 < figures['map'] < 1 and 0 < figures['pair_recall'] <= 1


def test_drawing(script, monkeypatch, capsys):
    arguments = ['drawing', '--size', '96x128', '--pairs', '0', '3', '--frames', '4']
    monkeypatch.setattr(sys, 'argv', arguments)
    script('bench_drawing').main()
    printed = capsys.readouterr().out
    rates = json.loads(printed.splitlines()[-1])
    assert set(rates) == {'0', '3'} and all(0 < each['slowest'] <= each['median'] for each in rates.values())
    assert '128 x 96 pixels, 4 frames' in printed


def test_page_is_that_of_its_figures(script):
    write_page = script('write_page')
    runs = json.loads(write_page.FIGURES.read_text()) if write_page.FIGURES.is_file() else []
    assert write_page.PAGE.read_text() == write_page.page(runs), 'run `python tools/benchmark/write_page.py`'


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['--device', 'cuda'], 'PyTorch finds no CUDA device'),
        (['--candidates', 'genvlt'], "no candidate 'genvlt', only: genvlkt, genvlkt as trained, plain, DETR R-50"),
        (['--model', 'gen_vlkt_s_hic'], 'gen_vlkt_s_hico'),
    ],
)
def test_mistakes_end_in_one_sentence(run, monkeypatch, arguments, message):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    with pytest.raises(SystemExit, match=f'error: .*{message}'):
        run('inference', *arguments)


@pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a GPU')
def test_inference_on_a_gpu(run):
    figures, _ = run(
        'inference', '--device', 'cuda', '--model', MODEL, '--sizes', '64x96', '--dtype', 'float32', 'float16'
    )
    for case in figures['cases']:
        assert all(own['peak_mib'] > 1 for own in case['candidates'].values())
