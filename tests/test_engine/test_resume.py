"""A training that is killed and resumed ends with the numbers of one that was not: the tolerance is zero."""

import json
import signal
import uuid
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.runner import Runner

from genvlkt_mmdet.converters import load_checkpoint
from genvlkt_mmdet.engine import ReproducibleEpochsHook, latest_checkpoint
from tests.processes import run_tool
from tests.test_engine.toy import SAMPLES, toy_config

STEPS = SAMPLES // 4


class Interrupt(Exception):
    """Ends a training in the test's own process."""


def losses(work_dir: Path) -> dict[int, float]:
    """Loss of every step; of a step that ran twice, because a kill cut its epoch short, the later one."""
    logs = sorted(work_dir.glob('*/vis_data/scalars.json'), key=lambda path: path.stat().st_mtime_ns)
    rows = [json.loads(line) for log in logs for line in log.read_text().splitlines()]
    return {row['step']: row['loss'] for row in rows if 'loss' in row}


def weights(file: Path) -> dict[str, torch.Tensor]:
    return load_checkpoint(str(file))['state_dict']


def train(work_dir: Path, stop_at: int | None = None, resume: bool = False, **options) -> Runner:
    """Trains in this process; ``stop_at`` interrupts it before that step."""
    cfg = Config(toy_config(str(work_dir), **options))
    cfg.experiment_name = uuid.uuid4().hex
    cfg.resume = resume
    runner = Runner.from_cfg(cfg)
    # A resumed process starts with generators in another state than the first had: the hook must not depend on it.
    torch.manual_seed(int(resume) + 99)
    if stop_at is not None:

        def stop(runner, batch_idx, data_batch=None):
            if runner.iter == stop_at:
                raise Interrupt

        runner.hooks[-1].before_train_iter = stop
        with pytest.raises(Interrupt):
            runner.train()
        runner.train_dataloader._iterator = None  # ends persistent workers
    else:
        runner.train()
    return runner


@pytest.mark.parametrize(
    'options',
    [dict(), dict(num_workers=1), dict(num_workers=2, persistent_workers=True), dict(seed=None)],
    ids=['no worker', 'one worker', 'persistent workers', 'seed drawn by mmengine'],
)
def test_interrupted_and_resumed_equals_unbroken(tmp_path, options):
    interrupted = tmp_path / 'interrupted'
    seed = train(interrupted, stop_at=STEPS * 2 + 1, **options).seed
    resumed = train(interrupted, resume=True, **options)
    assert resumed.seed == seed
    whole = tmp_path / 'whole'
    train(whole, **(options | dict(seed=seed)))

    expected = losses(whole)
    assert sorted(expected) == list(range(1, 4 * STEPS + 1))
    assert losses(interrupted) == expected
    for key, value in weights(whole / 'epoch_4.pth').items():
        assert torch.equal(weights(interrupted / 'epoch_4.pth')[key], value)


def test_every_epoch_draws_other_augmentations(tmp_path):
    runner = train(tmp_path, epochs=1, num_workers=1)
    loader = runner.train_dataloader
    hook = next(hook for hook in runner.hooks if isinstance(hook, ReproducibleEpochsHook))
    loader.sampler.shuffle = False

    def items(epoch: int) -> torch.Tensor:
        runner.train_loop._epoch = epoch
        hook.before_train_epoch(runner)
        return torch.stack([item for batch in loader for item in batch['inputs']])

    first, second, again = items(0), items(1), items(0)
    assert torch.equal(first, again)
    # each of the three generators, in every item
    assert (first != second).all()


def train_tool(work_dir: Path, kill: str = '') -> tuple[int, str]:
    """Runs ``tools/train.py --resume``; returns its exit code and what it printed."""
    config, output = work_dir.parent / 'toy.py', work_dir.parent / 'output.txt'
    Config(toy_config(str(work_dir))).dump(config)
    return run_tool(output, 'train.py', config, '--resume', cwd=work_dir.parent, TOY_KILL=kill), output.read_text()


@pytest.mark.slow
def test_killed_twice_and_resumed_by_the_same_command(tmp_path):
    """SIGKILL in the middle of an epoch, then in the middle of writing a checkpoint when only one is kept."""
    killed = tmp_path / 'killed'
    code, printed = train_tool(killed, kill=f'iter:{STEPS + 1}')
    assert code == -signal.SIGKILL, printed
    assert latest_checkpoint(killed) == str(killed / 'epoch_1.pth')

    code, printed = train_tool(killed, kill='write:3')
    assert code == -signal.SIGKILL, printed
    assert any(killed.glob('epoch_3.pth.*.part')) and not (killed / 'epoch_3.pth').exists()
    assert latest_checkpoint(killed) == str(killed / 'epoch_2.pth')

    code, printed = train_tool(killed)
    assert code == 0, printed
    assert sorted(path.name for path in killed.glob('*.pth*')) == ['epoch_4.pth']

    train(tmp_path / 'whole')
    assert losses(killed) == losses(tmp_path / 'whole')
