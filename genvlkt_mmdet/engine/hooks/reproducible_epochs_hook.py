"""Derives the randomness of every epoch from the seed and the number of the epoch."""

import random
from functools import partial

import numpy as np
import torch
from mmdet.registry import HOOKS
from mmengine.dataset import worker_init_fn as mmengine_worker_init
from mmengine.dist import get_rank
from mmengine.hooks import Hook
from mmengine.runner import Runner


def epoch_seed(seed: int, epoch: int, rank: int) -> int:
    """Seed in [0, 2^32) of one epoch (from 0) on one rank. Similar arguments give unrelated seeds."""
    return int(np.random.SeedSequence((seed, epoch, rank)).generate_state(1)[0])


def seed_generators(seed: int) -> None:
    """Seeds the generators of ``random``, ``numpy`` and ``torch`` (all devices)."""
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


def seed_worker(worker_id: int) -> None:
    """Seeds a data loading worker from its torch seed, which depends on the generator of the main process."""
    seed = torch.initial_seed() % 2**32
    random.seed(seed)
    np.random.seed(seed)


@HOOKS.register_module()
class ReproducibleEpochsHook(Hook):
    """Makes a training that resumes at the start of an epoch equal to one without interruption.

    mmengine restores weights, optimizer and schedule, but no random state. After resuming, dropout and augmentation differ from
    those of a run without interruption. Data loading workers have another problem: restarted workers draw the same augmentations
    in every epoch, and the random numbers of persistent workers depend on how many epochs they have been running.

    This hook derives all seeds from (seed, epoch, rank). At the start of each training epoch, it seeds the generators of the
    main process (dropout). torch draws the workers' seeds from there, so the workers are restarted for each epoch, which takes a
    fraction of a second. If a resumed run takes its seed from the checkpoint, the sampler uses it too.

    It applies to ``EpochBasedTrainLoop``. A ``worker_init_fn`` in the config is not changed.
    """

    priority = 'VERY_HIGH'

    def before_train(self, runner: Runner) -> None:
        """Sets the seeding function of the workers, and the seed of the sampler."""
        loader = runner.train_loop.dataloader
        init = loader.worker_init_fn
        if init is None or (isinstance(init, partial) and init.func is mmengine_worker_init):
            loader.worker_init_fn = seed_worker
        # All ranks must shuffle in the same way. If each rank has its own seed, mmengine has drawn a common seed for the sampler.
        if not runner._randomness_cfg.get('diff_rank_seed', False):
            for sampler in (loader.sampler, getattr(loader.batch_sampler, 'sampler', None)):
                if hasattr(sampler, 'seed'):
                    sampler.seed = runner.seed

    def before_train_epoch(self, runner: Runner) -> None:
        """Seeds the epoch and restarts the workers."""
        seed_generators(epoch_seed(runner.seed, runner.epoch, get_rank()))
        self._end_workers(runner)

    def after_train(self, runner: Runner) -> None:
        """Ends the workers, which would otherwise run as long as the runner exists."""
        self._end_workers(runner)

    @staticmethod
    def _end_workers(runner: Runner) -> None:
        loader = runner.train_loop.dataloader
        if loader.persistent_workers:
            loader._iterator = None  # torch keeps persistent workers here, and has no public function to end them
