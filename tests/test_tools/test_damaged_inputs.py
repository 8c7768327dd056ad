"""Tools end to end with damaged inputs: one line says which file or option is wrong, and the exit code is 1 or 2."""

import json
import os
import pickle
import runpy
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.io import savemat

from genvlkt_mmdet.engine import command, in_range
from tests.mutations import COCO, VSRL, texts

TOOLS = Path(__file__).parents[2] / 'tools'
BOX = [5, 5, 25, 35]
RECORDS = [
    dict(
        file_name='a.png',
        width=60,
        height=40,
        annotations=[dict(bbox=BOX, category_id=1), dict(bbox=[20, 10, 30, 20], category_id=2)],
        hoi_annotation=[dict(subject_id=0, object_id=1, category_id=77, hoi_category_id=153)],
    )
]
RESULTS = [dict(file_name='a.png', human_boxes=[BOX], object_boxes=[BOX], labels=[152], scores=[0.5])]


@pytest.fixture
def files(tmp_path, monkeypatch):
    """The current folder with a valid input of each kind."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv('GENVLKT_CACHE', str(tmp_path / 'cache'))
    for name, content in (
        ('ann.json', RECORDS),
        ('results.json', RESULTS),
        ('vcoco_test.json', VSRL),
        ('vcoco_trainval.json', VSRL),
        ('coco.json', COCO),
    ):
        Path(name).write_text(json.dumps(content))
    Path('split.ids').write_text('7\n')
    Path('phrases.txt').write_text('a person riding a horse\n')
    Path('vocabulary.yaml').write_text(
        '{name: x, objects: [person, bicycle], verbs: [ride], hois: [{verb: ride, object: bicycle}]}'
    )
    Path('config.py').write_text('model = dict(type="Nothing")\n')
    Path('dets.pkl').write_bytes(pickle.dumps([]))
    Path('mats').mkdir()
    cells = np.empty((14, 1), dtype=object)
    cells.fill(np.zeros((0, 9)))
    savemat('mats/detections_02.mat', dict(all_boxes=cells))
    Path('folder').mkdir()
    torch.save(dict(state_dict={'w': torch.ones(3)}), 'weights.pth')
    return tmp_path


@pytest.fixture
def call(monkeypatch, capsys):
    """Runs a tool; returns its exit code (0: well) and the line that it ended with."""

    def run(tool, *args):
        monkeypatch.setattr(sys, 'argv', [tool, *map(str, args)])
        try:
            with warnings.catch_warnings():
                warnings.simplefilter('ignore')
                runpy.run_path(str(TOOLS / tool), run_name='__main__')
        except SystemExit as end:
            lines = capsys.readouterr().err.strip().splitlines()
            if isinstance(end.code, str):
                assert '\n' not in end.code and len(end.code) < 900, end.code
                return 1, end.code
            return end.code or 0, lines[-1] if lines else ''
        except Exception as error:
            raise AssertionError(f'{tool} {args}: {type(error).__name__}: {error}') from error
        capsys.readouterr()
        return 0, ''

    return run


EVAL = ('eval_results.py', 'hico', '--ann-file', 'ann.json', '--results', 'results.json')
EVAL_MATS = ('eval_results.py', 'hico', '--ann-file', 'ann.json', '--results', 'mats')
VCOCO = (
    '--ann-file',
    'vcoco_test.json',
    '--coco-file',
    'coco.json',
    '--split-ids',
    'split.ids',
    '--results',
    'dets.pkl',
)
EVAL_VCOCO = ('eval_results.py', 'vcoco', *VCOCO)
EXPORT = ('export_official.py', 'hico', '--ann-file', 'ann.json', '--results', 'results.json', '--out', 'out')
EXPORT_VCOCO = ('export_official.py', 'vcoco', *VCOCO, '--out', 'out.pkl')
CHECK = ('analysis_tools/check_dataset.py', 'ann.json', '--vocabulary', 'hico')
CHECK_OWN = ('analysis_tools/check_dataset.py', 'ann.json', '--vocabulary', 'vocabulary.yaml')
BROWSE = ('analysis_tools/browse_dataset.py', 'config.py', '--out-dir', 'out')
CONVERT = ('dataset_converters/vcoco.py', '.', 'coco.json', '--out-dir', 'out')
CONVERT_HICO = ('dataset_converters/hico_det.py', 'folder')
RENDER = ('dataset_converters/render_minihoi.py', 'out', '--splits', 'val', '--images', '1', '--workers', '1')
TEXT = ('extract_text_embeddings.py', '--phrases', 'phrases.txt', '--model', 'genvlkt://tiny_clip', '--out', 'out.st')
PUBLISH = ('model_converters/publish_checkpoint.py', 'weights.pth', 'out.pth')
DETR = ('model_converters/detr_to_genvlkt.py', 'weights.pth', 'out.pth', '--config', 'config.py')
OFFICIAL = ('model_converters/official_to_genvlkt.py', 'weights.pth', 'out.pth')
DOWNLOAD = ('download_dataset.py', 'hico', '--root', 'folder')

INPUTS = [
    (EVAL, 'ann.json'),
    (EVAL, 'results.json'),
    (EVAL_MATS, 'mats/detections_02.mat'),
    (EVAL_VCOCO, 'vcoco_test.json'),
    (EVAL_VCOCO, 'coco.json'),
    (EVAL_VCOCO, 'split.ids'),
    (EVAL_VCOCO, 'dets.pkl'),
    (EXPORT, 'ann.json'),
    (EXPORT, 'results.json'),
    (EXPORT_VCOCO, 'dets.pkl'),
    (CHECK, 'ann.json'),
    (CHECK_OWN, 'vocabulary.yaml'),
    (BROWSE, 'config.py'),
    (CONVERT, 'vcoco_test.json'),
    (CONVERT, 'vcoco_trainval.json'),
    (CONVERT, 'coco.json'),
    (TEXT, 'phrases.txt'),
    (PUBLISH, 'weights.pth'),
    (DETR, 'weights.pth'),
    (DETR, 'config.py'),
    (OFFICIAL, 'weights.pth'),
    ((*OFFICIAL, '--reverse'), 'weights.pth'),
]


@pytest.mark.parametrize('command_line, name', INPUTS, ids=[f'{tool[0]} {name}' for tool, name in INPUTS])
def test_damaged_files(files, call, command_line, name):
    path = Path(name)
    for what, content in texts(RECORDS):
        # PyYAML takes seconds for what is nested 20,000 times, and gives up long before
        path.write_bytes(content[:3000] if path.suffix == '.yaml' else content)
        code, line = call(*command_line)
        assert (code, line) == (0, '') or (code in (1, 2) and path.name in line), f'{what}: {code} {line}'
    path.unlink()
    # Without vcoco_trainval.json the two files that it joins are looked for; mats/ is then a folder without detections.
    names = {'vcoco_trainval.json': 'vcoco_train.json', 'detections_02.mat': 'mats'}
    code, line = call(*command_line)
    assert code in (1, 2) and names.get(path.name, path.name) in line, f'absent: {code} {line}'
    path.mkdir()
    code, line = call(*command_line)
    folder = path.name if path.suffix == '.mat' else names.get(path.name, path.name)
    assert code in (1, 2) and folder in line, f'folder: {code} {line}'


@pytest.mark.parametrize(
    'content', [[1, 2], {}, dict(state_dict=[1]), dict(state_dict={'w': 3}), dict(epoch=3)], ids=str
)
@pytest.mark.parametrize('command_line', [PUBLISH, DETR, OFFICIAL, (*OFFICIAL, '--reverse')], ids=lambda c: c[0])
def test_wrong_checkpoints(files, call, command_line, content):
    torch.save(content, 'weights.pth')
    code, line = call(*command_line)
    assert code == 1 and 'weights.pth' in line and not Path('out.pth').exists()


@pytest.mark.parametrize(
    'command_line',
    [EVAL, EVAL_MATS, EVAL_VCOCO, EXPORT, EXPORT_VCOCO, CHECK, CONVERT, RENDER, TEXT, PUBLISH],
    ids=lambda line: line[0],
)
def test_the_inputs_are_right_before(files, call, command_line):
    assert call(*command_line) == (0, '')


OPTIONS = [
    ((*EVAL, '--zero-shot', 'rf'), 'rf'),
    ((*EVAL, '--protocol', 'mine'), '--protocol'),
    ((*EVAL, '--vocabulary', 'nothing'), 'nothing'),
    ((*EVAL, '--train-ann-file', 'none.json'), 'none.json'),
    ((*EVAL_VCOCO, '--vocabulary', 'hico'), '--vocabulary'),
    ((*EVAL_VCOCO, '--train-ann-file', 'ann.json'), '--train-ann-file'),
    ((*EVAL, '--out', 'folder'), 'folder'),
    ((*EVAL, '--out', 'ann.json/x.json'), 'ann.json'),
    ((*EVAL, '--report', 'ann.json'), 'ann.json'),
    ((*EXPORT[:-1], 'ann.json'), 'ann.json'),
    ((*EXPORT_VCOCO[:-1], 'folder'), 'folder'),
    ((*CHECK, '--examples', '-1'), '--examples'),
    ((*CHECK, '--examples', '7' * 5000), '--examples'),
    ((*CHECK, '--images', 'none'), 'none'),
    ((*CHECK, '--images', 'ann.json'), 'ann.json'),
    ((*CHECK, '--json', 'folder'), 'folder'),
    ((*CHECK_OWN, '--plot', 'folder'), 'folder'),
    ((*CHECK_OWN, '--plot', 'ann.json/a.png'), 'ann.json'),
    ((*CHECK, '--plot', 'a.words'), 'a.words'),
    ((*BROWSE, '--num', '-1'), '--num'),
    ((*BROWSE, '--seed', '-1'), '--seed'),
    (('analysis_tools/browse_dataset.py', 'none.py'), 'none.py'),
    ((*CONVERT_HICO, '--merge-iou', 'nan'), '--merge-iou'),
    ((*CONVERT_HICO, '--merge-iou', '-0.5'), '--merge-iou'),
    ((*CONVERT_HICO, '--merge-iou', '1.5'), '--merge-iou'),
    (CONVERT_HICO, 'anno_bbox.mat'),
    ((*CONVERT[:-1], 'ann.json'), 'ann.json'),
    ((*RENDER[:-1], '0'), '--workers'),
    ((*RENDER, '--seed', '-1'), '--seed'),
    ((*RENDER, '--images', '-1'), '-1'),
    ((*RENDER, '--difficulty', 'hardest'), 'hardest'),
    ((RENDER[0], 'ann.json', *RENDER[2:]), 'ann.json'),
    ((*RENDER, '--splits', 'last'), 'last'),
    ((*TEXT, '--vocabulary', 'nothing'), 'nothing'),
    ((*TEXT, '--model', 'nothing'), 'nothing'),
    ((*TEXT, '--model', './none'), 'none'),
    ((*TEXT, '--pretrained', './none'), 'none'),
    ((*TEXT, '--out', 'folder'), 'folder'),
    ((*TEXT, '--save-model', 'ann.json'), 'ann.json'),
    ((*PUBLISH[:-1], 'folder'), 'folder'),
    ((*PUBLISH[:-1], 'ann.json/out.pth'), 'ann.json'),
    (DETR, 'Nothing'),
    ((*OFFICIAL[:-1], 'folder'), 'weights.pth'),
    ((*DOWNLOAD, '--timeout', 'nan'), '--timeout'),
    ((*DOWNLOAD, '--timeout', '-3'), '--timeout'),
    ((*DOWNLOAD, '--timeout', 'inf'), '--timeout'),
    (('download_dataset.py', 'hico', '--root', 'ann.json'), 'ann.json'),
    (('download_dataset.py', 'hico', '--root', 'ann.json', '--download'), 'ann.json'),
]


@pytest.mark.parametrize('command_line, name', OPTIONS, ids=[' '.join((c[0], *c[-2:]))[:60] for c, _ in OPTIONS])
def test_wrong_options(files, call, command_line, name):
    code, line = call(*command_line)
    assert code in (1, 2) and name in line, f'{code} {line}'


@pytest.mark.parametrize(
    'command_line',
    [EVAL, EXPORT, CHECK, BROWSE, CONVERT, CONVERT_HICO, RENDER, TEXT, PUBLISH, DETR, OFFICIAL, DOWNLOAD],
    ids=lambda line: line[0],
)
def test_empty_values(files, call, command_line):
    for i, before in enumerate(command_line[:-1], 1):
        if command_line[i].startswith('--'):
            continue
        code, line = call(*command_line[:i], '', *command_line[i + 1 :])
        expected = 'at the beginning' if i == 1 else f"after '{before}'"
        assert (code, line) == (2, f'error: a value of the command line is empty: {expected}.')
    assert call(*command_line, '--out=') == (2, "error: a value of the command line is empty: '--out='.")


def test_other_errors_keep_their_traceback(monkeypatch):
    @command(ValueError)
    def main():
        raise RuntimeError('a fault of the program')

    monkeypatch.setattr(sys, 'argv', ['tool.py'])
    with pytest.raises(RuntimeError, match='a fault of the program'):
        main()


def test_one_line_of_any_error(monkeypatch, tmp_path):
    monkeypatch.setattr(sys, 'argv', ['tool.py'])
    for error, line in (
        (ValueError('two\n  lines'), 'error: two lines'),
        (KeyError('a sentence'), 'error: a sentence'),
        (IsADirectoryError(21, 'Is a directory', tmp_path), f"error: '{tmp_path}': Is a directory."),
        (ValueError(), 'error: ValueError'),
    ):

        @command(OSError, ValueError, KeyError)
        def main(error=error):
            raise error

        with pytest.raises(SystemExit) as end:
            main()
        assert end.value.code == line


@pytest.mark.parametrize('options', ['a', 'a=(1,2'])
def test_options_of_a_config_that_cannot_be_read(call, options):
    code, line = call('train.py', 'config.py', '--cfg-options', options)
    assert code == 2 and 'error: --cfg-options: ' in line


def test_a_number_of_images_to_draw(call):
    assert call('demo.py', '--images', '-1')[0] == 2


def test_devices_and_pipes_are_not_replaced(files, call):
    os.mkfifo('pipe')
    code, line = call(*EVAL, '--out', 'pipe')
    assert (code, line) == (1, "error: 'pipe' cannot be written: it is a device or pipe.")
    assert Path('pipe').is_fifo()


@pytest.mark.parametrize(
    'content', [b'', b'text', {'w': torch.ones(2, 2).to_sparse()}], ids=['empty', 'text', 'sparse']
)
def test_weights_of_clip_that_cannot_be_read(files, call, content):
    Path('clip.pt').write_bytes(content) if isinstance(content, bytes) else torch.save(content, 'clip.pt')
    code, line = call(*TEXT[:3], '--model', 'ViT-S-32-alt', '--pretrained', 'clip.pt', '--out', 'out.st')
    assert code == 1 and 'clip.pt' in line
    code, line = call(*TEXT, '--pretrained', 'clip.pt')
    assert code == 1 and 'has weights of its own' in line and 'clip.pt' in line


def test_interruptions(files, call, monkeypatch, capsys):
    @command()
    def main():
        raise KeyboardInterrupt

    @command()
    def formats():
        try:
            raise KeyboardInterrupt
        except BaseException:  # as mmengine's Config.pretty_text
            raise SyntaxError('Failed to format the config file')  # noqa: B904

    for run in (main, formats):
        with pytest.raises(SystemExit) as end:
            run()
        assert end.value.code == 130 and capsys.readouterr().err.startswith('Interrupted. ')

    def closed(*args, **kwargs):  # the output is a pipe that nobody reads
        raise BrokenPipeError(32, 'Broken pipe')

    monkeypatch.setattr('builtins.print', closed)
    assert call(*EVAL, '--out', 'numbers.json', '--report', 'report') == (1, '')
    assert Path('numbers.json').is_file() and any(Path('report').iterdir())


def test_numbers_of_a_range():
    assert in_range(float, 0, 1)('1') == 1.0 and in_range(int, 2, 3)('2') == 2
    for text in ('nan', '-0.1', 'inf', '2'):
        with pytest.raises(Exception, match=f'{text} is not from 0 to 1'):
            in_range(float, 0, 1)(text)
