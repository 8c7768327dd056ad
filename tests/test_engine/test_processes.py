"""Several processes without a GPU, and what is left of a training that was killed."""

import json
import os
import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path

from mmengine.config import Config

from genvlkt_mmdet.converters import load_checkpoint
from tests.processes import REPO, start_tool
from tests.test_engine.toy import detector_config, toy_config


def launch(script: str, *arguments: str, cwd: Path) -> str:
    """Runs a launcher script with two processes; returns what they printed."""
    path = f'{Path(sys.executable).parent}{os.pathsep}{os.environ["PATH"]}'
    more = dict(PYTHONPATH=str(REPO), PATH=path, CUDA_VISIBLE_DEVICES='-1', PORT='29731', OMP_NUM_THREADS='1')
    done = subprocess.run(
        ['bash', REPO / 'tools' / script, *arguments],
        env=os.environ | more,
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def test_two_processes_on_a_machine_without_gpu(tmp_path):
    cfg = detector_config(tmp_path)
    annotations = tmp_path / 'train.json'
    record = json.loads(annotations.read_text())[0]
    annotations.write_text(json.dumps([record] * 4))
    Config(cfg).dump(tmp_path / 'small.py')
    launch('dist_train.sh', 'small.py', '2', '--cfg-options', 'train_cfg.max_epochs=2', cwd=tmp_path)
    # four images for two processes: two steps an epoch
    assert load_checkpoint(str(tmp_path / 'work' / 'epoch_2.pth'))['meta']['iter'] == 4
    printed = launch('dist_test.sh', 'small.py', 'work/epoch_2.pth', '2', '--out', 'out.pkl', cwd=tmp_path)
    assert 'Testing on 4 images.' in printed
    assert len(pickle.loads((tmp_path / 'out.pkl').read_bytes())) == 4


def children(pid: int) -> list[int]:
    return [int(word) for word in Path(f'/proc/{pid}/task/{pid}/children').read_text().split()]


def alive(pid: int) -> bool:
    try:
        return Path(f'/proc/{pid}/stat').read_text().rsplit(')', 1)[1].split()[0] != 'Z'
    except FileNotFoundError:
        return False


def test_workers_of_a_killed_training_end(tmp_path):
    """torch's workers look every few seconds whether their parent lives; this keeps it so for ours."""
    cfg = toy_config(str(tmp_path / 'work'), epochs=10000, num_workers=2, persistent_workers=True)
    cfg['default_hooks']['checkpoint'] = None
    Config(cfg).dump(tmp_path / 'toy.py')
    training = start_tool(tmp_path / 'output.txt', 'train.py', tmp_path / 'toy.py', cwd=tmp_path)
    workers = []
    limit = time.time() + 300
    while len(workers) < 2 and training.is_alive() and time.time() < limit:
        workers = children(training.pid)
        time.sleep(0.05)
    training.kill()
    training.join()
    assert len(workers) >= 2
    limit = time.time() + 20
    while any(map(alive, workers)) and time.time() < limit:
        time.sleep(0.2)
    left = [pid for pid in workers if alive(pid)]
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    assert not left
