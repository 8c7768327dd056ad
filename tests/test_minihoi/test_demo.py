"""The whole demo on a few images: its figures are those of the test, its drawings exist, resuming adds nothing."""

import json
from pathlib import Path

import cv2
import pytest

from genvlkt_mmdet.engine import latest_checkpoint, test_model, testing_config
from tests.processes import run_tool

# One training for all tests of this file, also under pytest-xdist.
pytestmark = [pytest.mark.xdist_group('demo'), pytest.mark.slow]
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope='module')
def config(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp('demo')
    sizes = {'train': 32, 'val': 8, 'test': 24}
    lines = [
        f"_base_ = '{ROOT / 'configs' / 'gen_vlkt_tiny_minihoi.py'}'",
        'train_cfg = dict(max_epochs=1, val_interval=1)',
        'optim_wrapper = dict(optimizer=dict(lr=1e-4))',
        "param_scheduler = [dict(type='ConstantLR', factor=1, by_epoch=True)]",
    ]
    for part, count in sizes.items():
        dataset = f"dict(data_root='{folder / 'data'}/', render=dict(sizes=dict({part}={count}), workers=1))"
        lines.append(f'{part}_dataloader = dict(num_workers=0, persistent_workers=False, dataset={dataset})')
    path = folder / 'small.py'
    path.write_text('\n'.join(lines) + '\n')
    return path


@pytest.fixture(scope='module')
def trained(config: Path) -> tuple[Path, dict, list[str]]:
    """A folder in which the tool has trained, its report and the lines that it printed."""
    folder = config.parent / 'trained'
    folder.mkdir()
    options = ('--config', config, '--work-dir', 'out', '--seed', '3', '--images', '3')
    code = run_tool(folder / 'printed.txt', 'demo.py', *options, cwd=folder)
    printed = (folder / 'printed.txt').read_text()
    assert code == 0, printed
    return folder, json.loads(printed.splitlines()[-1]), printed.splitlines()


def test_demo_reports_what_the_test_measures(config: Path, trained, tmp_path: Path):
    folder, result, _ = trained
    checkpoint = latest_checkpoint(folder / 'out')
    metrics = test_model(testing_config(config, checkpoint, work_dir=tmp_path / 'again'))
    assert [result['full'], result['rare'], result['non_rare']] == [
        metrics['hico/full'],
        metrics['hico/rare'],
        metrics['hico/non_rare'],
    ]
    assert 0 <= result['full'] <= 1 and result['minutes'] < 15
    *single, overview = (cv2.imread(str(folder / path)) for path in result['drawings'])
    assert len(single) == 3 and len({Path(p).name for p in result['drawings']}) == 4
    # Ground truth and prediction stand side by side, above at most a list of labels: wider than twice the image is enlarged.
    assert all(image.shape[1] >= 2 * 480 for image in single)
    assert overview.shape[0] >= 2 * max(image.shape[0] for image in single)


def test_tool_ends_in_json_and_resumes(config: Path, trained):
    folder, first, lines = trained
    assert len(lines) < 40, 'the full demo adds 14 lines of training'
    assert set(first) == {'full', 'rare', 'non_rare', 'minutes', 'drawings', 'gains', 'diagnosis'}
    assert list(first['gains'].values()) == sorted(first['gains'].values(), reverse=True) and len(first['gains']) == 7
    options = ('--config', config, '--work-dir', 'out', '--seed', '3', '--images', '1', '--resume')
    assert run_tool(folder / 'resumed.txt', 'demo.py', *options, cwd=folder) == 0
    lines = (folder / 'resumed.txt').read_text().splitlines()
    assert len(lines) < 40
    second = json.loads(lines[-1])
    for report in (first, second):
        assert all((folder / drawing).is_file() for drawing in [*report['drawings'], report['diagnosis']])
    logs = ''.join(log.read_text() for log in (folder / 'out').rglob('*.log'))
    assert all(detail in logs for detail in ('System environment', 'Hooks will be executed', 'paramwise_options'))
    same = ('full', 'rare', 'non_rare')
    assert [first[key] for key in same] == [second[key] for key in same], 'a finished training is only evaluated again'


def test_missing_config_is_one_sentence(tmp_path: Path):
    code = run_tool(tmp_path / 'printed.txt', 'demo.py', '--config', 'absent.py', cwd=tmp_path)
    assert code == 1
    last = (tmp_path / 'printed.txt').read_text().strip().splitlines()[-1]
    assert last.startswith('error: The config file absent.py does not exist')
