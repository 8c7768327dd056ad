"""The whole demo on a few images: its figures are those of the test, its drawings exist, resuming adds nothing."""

import json
import subprocess
import sys
from pathlib import Path

import cv2
import pytest

from genvlkt_mmdet.engine import latest_checkpoint, test_model, testing_config
from genvlkt_mmdet.minihoi import run_demo

pytestmark = pytest.mark.slow
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


def test_demo_reports_what_the_test_measures(config: Path, tmp_path: Path):
    result = run_demo(config, tmp_path, seed=3, num_pictures=3)
    metrics = test_model(testing_config(config, latest_checkpoint(tmp_path), work_dir=tmp_path / 'again'))
    assert [result['full'], result['rare'], result['non_rare']] == [
        metrics['hico/full'],
        metrics['hico/rare'],
        metrics['hico/non_rare'],
    ]
    assert 0 <= result['full'] <= 1 and result['minutes'] < 15
    *single, overview = (cv2.imread(path) for path in result['pictures'])
    assert len(single) == 3 and len({Path(p).name for p in result['pictures']}) == 4
    # Ground truth and prediction stand side by side, above at most a list of labels: wider than twice the image is enlarged.
    assert all(image.shape[1] >= 2 * 480 for image in single)
    assert overview.shape[0] >= 2 * max(image.shape[0] for image in single)


def test_tool_ends_in_json_and_resumes(config: Path, tmp_path: Path):
    command = [sys.executable, ROOT / 'tools' / 'demo.py', '--config', config, '--work-dir', 'out', '--pictures', '1']
    figures = []
    for extra in ([], ['--resume']):
        done = subprocess.run([*command, *extra], cwd=tmp_path, capture_output=True, text=True, check=True)
        report = json.loads(done.stdout.splitlines()[-1])
        assert len((done.stdout + done.stderr).splitlines()) < 40, 'the full demo adds 14 lines of training'
        assert set(report) == {'full', 'rare', 'non_rare', 'minutes', 'pictures'}
        assert all((tmp_path / picture).is_file() for picture in report['pictures'])
        figures.append([report['full'], report['rare'], report['non_rare']])
    logs = ''.join(log.read_text() for log in (tmp_path / 'out').rglob('*.log'))
    assert all(detail in logs for detail in ('System environment', 'Hooks will be executed', 'paramwise_options'))
    assert figures[0] == figures[1], 'a finished training is only evaluated again'


def test_missing_config_is_one_sentence(tmp_path: Path):
    command = [sys.executable, ROOT / 'tools' / 'demo.py', '--config', 'absent.py']
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.strip().splitlines()[-1].startswith('error: The config file absent.py does not exist')
