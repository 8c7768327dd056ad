import os
import subprocess
from pathlib import Path

import pytest

TOOLS = Path(__file__).parents[2] / 'tools'


@pytest.fixture
def launch(tmp_path):
    """Runs a launcher script with a ``torchrun`` that prints its arguments instead of launching."""
    torchrun = tmp_path / 'torchrun'
    torchrun.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    torchrun.chmod(0o755)

    def call(script: str, *arguments: str, **env: str) -> subprocess.CompletedProcess:
        path = f'{tmp_path}{os.pathsep}{os.environ["PATH"]}'
        env = os.environ | env | dict(PATH=path)
        return subprocess.run(['bash', TOOLS / script, *arguments], env=env, capture_output=True, text=True)

    return call


def test_dist_train(launch):
    done = launch('dist_train.sh', 'a.py', '8', '--resume', '--work-dir', 'my dir')
    assert done.stdout.splitlines() == [
        *('--nnodes=1', '--node_rank=0', '--nproc_per_node=8', '--master_addr=127.0.0.1', '--master_port=29500'),
        *(str(TOOLS / 'train.py'), 'a.py', '--launcher', 'pytorch', '--resume', '--work-dir', 'my dir'),
    ]


def test_dist_test_on_the_second_of_two_machines(launch):
    done = launch('dist_test.sh', 'a.py', 'a.pth', '4', NNODES='2', NODE_RANK='1', MASTER_ADDR='10.0.0.1', PORT='1234')
    assert done.stdout.splitlines() == [
        *('--nnodes=2', '--node_rank=1', '--nproc_per_node=4', '--master_addr=10.0.0.1', '--master_port=1234'),
        *(str(TOOLS / 'test.py'), 'a.py', 'a.pth', '--launcher', 'pytorch'),
    ]


@pytest.mark.parametrize(('script', 'arguments'), [('dist_train.sh', ['a.py']), ('dist_test.sh', ['a.py', 'a.pth'])])
def test_missing_arguments_print_the_usage(launch, script, arguments):
    done = launch(script, *arguments)
    assert done.returncode == 2 and f'{script} CONFIG' in done.stderr
