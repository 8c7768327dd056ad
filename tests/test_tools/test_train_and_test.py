"""What tools/train.py and tools/test.py say to a user who made a mistake; training itself: test_engine/test_resume.py."""

import re
import runpy
import sys
from pathlib import Path
from urllib.error import URLError

import pytest
import torch
from mmdet.registry import MODELS
from mmengine.config import Config
from mmengine.registry import DefaultScope

from genvlkt_mmdet.engine import launch, sentence_of
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


@pytest.mark.parametrize(
    ('setting', 'sentence'),
    [
        (
            'model.positional_encoding.temperature=x',
            r'The training ended with TypeError: .+; the traceback is in \S+\.log\.$',
        ),
        *(
            (
                f'train_dataloader.dataset.pipeline.1.with_bbox=False train_dataloader.num_workers={workers}',
                r"The training ended with KeyError: '?gt_bboxes.+\.log\.$",
            )
            for workers in (0, 1)
        ),
        ('train_dataloader.dataset.merge_iou=-1', r'train_dataloader\.dataset: merge_iou must be from 0 to 1, not -1'),
        ('train_dataloader.dataset.max_boxes=-1', r'train_dataloader\.dataset: max_boxes must be at least 1, not -1'),
        ('optim_wrapper.clip_grad.max_norm=0', r'optim_wrapper\.clip_grad\.max_norm must be above 0, not 0'),
        ('default_scope=7', r'default_scope must be a name such as mmdet, not 7'),
        ('randomness.seed=x', r'randomness cannot be built from its settings: '),
        (
            'load_from=state.pth resume=True',
            r'The checkpoint \S+state\.pth is damaged or belongs to another training \(AssertionError',
        ),
    ],
    ids=lambda value: value.partition('=')[0],
)
def test_errors_of_a_training(tmp_path, monkeypatch, setting, sentence):
    cfg = Config(detector_config(tmp_path))
    cfg.dump(tmp_path / 'small.py')
    with DefaultScope.overwrite_default_scope('mmdet'):
        state = MODELS.build(cfg.model).state_dict()
    meta = dict(epoch=0, iter=0, dataset_meta={})
    torch.save(dict(state_dict=state, meta=meta, optimizer={}, message_hub={}), tmp_path / 'state.pth')
    options = setting.replace('state.pth', str(tmp_path / 'state.pth')).split()
    monkeypatch.setattr(sys, 'argv', ['train.py', str(tmp_path / 'small.py'), '--cfg-options', *options])
    with pytest.raises(SystemExit) as caught:
        runpy.run_path(str(REPO / 'tools' / 'train.py'), run_name='__main__')
    assert re.match(f'error: {sentence}', caught.value.code) and '\n' not in caught.value.code
    if 'the traceback is in' in caught.value.code:
        assert 'Traceback' in Path(caught.value.code.split()[-1].rstrip('.')).read_text()


def test_a_launcher_that_did_not_launch(tmp_path, monkeypatch):
    Config(detector_config(tmp_path)).dump(tmp_path / 'small.py')
    for name in ('RANK', 'WORLD_SIZE', 'MASTER_ADDR', 'MASTER_PORT'):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(launch, 'has_accelerator', lambda: False)
    monkeypatch.setattr(sys, 'argv', ['train.py', str(tmp_path / 'small.py'), '--launcher', 'pytorch'])
    with pytest.raises(SystemExit, match=r'^error: launcher=pytorch \(see tools/dist_train\.sh\): .+ RANK expected'):
        runpy.run_path(str(REPO / 'tools' / 'train.py'), run_name='__main__')


def test_which_errors_are_sentences():
    """Those of this package, also out of a process that loads data; a fault keeps its traceback."""

    def caught(call):
        with pytest.raises(Exception) as info:
            call()
        return info.value

    assert sentence_of(caught(lambda: Config(dict()).nothing)) is None
    assert sentence_of(MemoryError()).startswith('The memory is not enough (MemoryError): ')
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
