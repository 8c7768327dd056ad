"""Two processes against one: what is averaged over ranks and what stays local."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.test_models.tiny import batch, build_detector, sample

ROOT = Path(__file__).parents[3]

# Imports once, then forks into two ranks before any computation; both train one step under DDP, then report.
SCRIPT = """
import json, os, sys

import torch

import genvlkt_mmdet
from mmengine.model import MMDistributedDataParallel
from mmengine.registry import init_default_scope
from tests.test_models.test_detectors.test_distributed import CASES, inputs_of
from tests.test_models.tiny import build_detector

init_default_scope('mmdet')
torch.set_num_threads(1)
child = os.fork()
rank = 0 if child else 1
folder = sys.argv[1]
torch.distributed.init_process_group('gloo', init_method=f'file://{folder}/store', rank=rank, world_size=2)
report = {}
for case in CASES:
    model = MMDistributedDataParallel(build_detector().train(), broadcast_buffers=False)
    images, samples = inputs_of(case, rank)
    losses = model(images, samples, mode='loss')
    sum(losses.values()).backward()
    report[case] = dict(
        losses={k: v.item() for k, v in losses.items()},
        grads={n.removeprefix('module.'): p.grad.double().norm().item() for n, p in model.named_parameters()},
    )
with open(f'{folder}/rank{rank}.json', 'w') as file:
    json.dump(report, file)
torch.distributed.barrier()
torch.distributed.destroy_process_group()
if child:
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
os._exit(0)
"""

# Pairs of the one image of each rank.
CASES = {'uneven': (3, 1), 'one_empty': (0, 3), 'half_a_pair': (1, 0), 'both_empty': (0, 0)}


def inputs_of(case: str, rank: int):
    samples = [sample((64, 96), CASES[case][rank], seed=rank + 1)]
    return batch(*samples), samples


@pytest.fixture(scope='module')
def ranks(tmp_path_factory):
    folder = tmp_path_factory.mktemp('gloo')
    env = dict(os.environ, OMP_NUM_THREADS='1', PYTHONPATH=str(ROOT))
    done = subprocess.run(
        [sys.executable, '-c', SCRIPT, str(folder)], cwd=ROOT, env=env, capture_output=True, text=True, timeout=240
    )
    assert done.returncode == 0, done.stderr
    return [json.loads((folder / f'rank{rank}.json').read_text()) for rank in (0, 1)]


def alone(case, rank, factor=1.0):
    """Losses and gradients of one rank's image in this process; ``factor`` scales what is divided by the pairs."""
    model = build_detector().train()
    images, samples = inputs_of(case, rank)
    losses = {
        name: value * (factor if name.endswith(('human_bbox', 'human_iou')) else 1)
        for name, value in model(images, samples, mode='loss').items()
    }
    sum(losses.values()).backward()
    return {k: v.item() for k, v in losses.items()}, {n: p.grad.double() for n, p in model.named_parameters()}


@pytest.mark.parametrize('case', CASES)
def test_pairs_are_averaged_over_ranks_and_the_rest_is_local(ranks, case):
    counts = CASES[case]
    mean = max(sum(counts) / 2, 1)
    grads = []
    for rank, count in enumerate(counts):
        # One process divides its human losses by its own pairs, two by their mean; both by 1 at least.
        losses, grad = alone(case, rank, max(count, 1) / mean)
        assert ranks[rank][case]['losses'] == pytest.approx(losses, rel=1e-4, abs=1e-6)
        grads.append(grad)
    # DDP averages the gradients; every rank has the same ones.
    assert ranks[0][case]['grads'] == ranks[1][case]['grads']
    expected = {name: ((grads[0][name] + grads[1][name]) / 2).norm().item() for name in grads[0]}
    assert ranks[0][case]['grads'] == pytest.approx(expected, rel=1e-3, abs=1e-5)
