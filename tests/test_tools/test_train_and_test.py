"""What tools/train.py and tools/test.py say to a user who made a mistake; training itself: test_engine/test_resume.py."""

import runpy
import sys
from pathlib import Path
from urllib.error import URLError

import pytest
import torch
from mmdet.registry import MODELS
from mmengine.config import Config
from mmengine.registry import DefaultScope

from genvlkt_mmdet.engine import sentence_of
from tests.processes import REPO, run_tool
from tests.test_engine.toy import detector_config, toy_config


def run(tool: str, *arguments: str, cwd: Path) -> tuple[int, str]:
    """Runs a tool; returns its exit code and what it printed."""
    code = run_tool(cwd / 'output.txt', tool, *arguments, cwd=cwd)
    return code, (cwd / 'output.txt').read_text()


def test_train_names_the_missing_config(tmp_path):
    code, printed = run('train.py', 'gen_vlkt_s.py', cwd=tmp_path)
    assert code == 1
    assert printed.splitlines()[-1] == 'error: The config file gen_vlkt_s.py does not exist: check its path.'
    assert 'Traceback' not in printed


def test_test_refuses_the_checkpoint_of_another_config(tmp_path):
    Config(toy_config('work')).dump(tmp_path / 'toy.py')
    other = dict(
        state_dict={'head.0.weight': torch.zeros(9, 3)}, meta=dict(experiment_name='gen_vlkt_s_hico_20260101_000000')
    )
    torch.save(other, tmp_path / 'other.pth')
    code, printed = run('test.py', 'toy.py', 'other.pth', cwd=tmp_path)
    assert code == 1
    last = printed.splitlines()[-1]
    assert last.startswith(
        'error: The checkpoint other.pth does not fit the config toy.py: of its weights are 1 of another shape'
    )
    assert last.endswith('it was trained with the config gen_vlkt_s_hico.py.')
    assert 'Traceback' not in printed


@pytest.mark.parametrize(
    ('tool', 'value'), [('test.py', 'nan'), ('test.py', '1e30'), ('train.py', 'nan'), ('train.py', '1e30')]
)
def test_weights_and_outputs_that_are_not_finite(tmp_path, monkeypatch, tool, value):
    """1e30 is finite, but the network that has it gives NaN."""
    cfg = Config(detector_config(tmp_path))
    cfg.dump(tmp_path / 'small.py')
    with DefaultScope.overwrite_default_scope('mmdet'):
        state = MODELS.build(cfg.model).state_dict()
    for weight in filter(torch.is_floating_point, state.values()):
        weight.fill_(float(value))
    torch.save(dict(state_dict=state, meta=dict()), tmp_path / 'bad.pth')
    start = [tmp_path / 'bad.pth'] if tool == 'test.py' else ['--cfg-options', f'load_from={tmp_path / "bad.pth"}']
    monkeypatch.setattr(sys, 'argv', [tool, *map(str, [tmp_path / 'small.py', *start])])
    with pytest.raises(SystemExit) as caught:
        runpy.run_path(str(REPO / 'tools' / tool), run_name='__main__')
    sentence = caught.value.code
    assert sentence.startswith('error: ') and '\n' not in sentence
    assert ('bad.pth holds NaN' if value == 'nan' else 'NaN') in sentence


def test_which_errors_are_sentences():
    """Those of this package, also out of a process that loads data; a fault keeps its traceback."""

    def caught(call):
        with pytest.raises(Exception) as info:
            call()
        return info.value

    assert sentence_of(caught(lambda: Config(dict()).nothing)) is None
    assert sentence_of(caught(lambda: int('x'))) is None
    assert sentence_of(caught(lambda: Path('gone').read_text())).endswith("No such file or directory: 'gone'")
    frame = '  File "{}", line 1, in f\n    raise\n'
    text = 'Caught ValueError in DataLoader worker process 0.\nOriginal Traceback (most recent call last):\n{}ValueError: {}\n'
    own = frame.format(REPO / 'genvlkt_mmdet' / 'datasets' / 'hoi_dataset.py')
    assert sentence_of(ValueError(text.format(own, "Image 'a: b' is broken."))) == "Image 'a: b' is broken."
    assert sentence_of(ValueError(text.format(own + frame.format('/lib/numpy/core.py'), 'shapes'))) is None


@pytest.mark.parametrize(
    'arguments',
    [
        ('train.py', 'small.py', '--cfg-options', 'load_from=ADDRESS'),
        ('train.py', 'small.py', '--resume', 'ADDRESS'),
        ('train.py', 'small.py', '--cfg-options', 'model.pretrained_detr=ADDRESS'),
        ('test.py', 'small.py', 'ADDRESS'),
        ('infer.py', 'images', '--model', 'small.py', '--weights', 'ADDRESS'),
        ('infer.py', 'images', '--weights', 'ADDRESS'),
    ],
    ids=lambda arguments: ' '.join(arguments[:1] + arguments[2:]),
)
@pytest.mark.parametrize('address', ['mmcls://mobilenet_v2', 'open-mmlab://none', 's3://bucket/a.pth', 'mim://a'])
def test_addresses_without_network(tmp_path, monkeypatch, arguments, address):
    def no_network(*args, **kwargs):
        raise URLError('no network')

    Config(detector_config(tmp_path)).dump(tmp_path / 'small.py')
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv('TORCH_HOME', str(tmp_path))
    monkeypatch.setattr('torch.hub.urlopen', no_network)
    tool, *arguments = (argument.replace('ADDRESS', address) for argument in arguments)
    monkeypatch.setattr(sys, 'argv', [tool, *arguments])
    with pytest.raises(SystemExit) as caught:
        runpy.run_path(str(REPO / 'tools' / tool), run_name='__main__')
    sentence = caught.value.code
    assert sentence.startswith('error: ') and address in sentence and '\n' not in sentence
