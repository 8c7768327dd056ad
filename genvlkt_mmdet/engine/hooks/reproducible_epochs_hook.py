"""Makes the randomness of every epoch a function of the seed and the epoch's number."""

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
    """The seed of one epoch on one rank; neighbouring arguments give unrelated seeds.

    Args:
        seed (int): The run's seed, at least 0.
        epoch (int): Zero-based number of the epoch.
        rank (int): Rank of this process.

    Returns:
        int: A number in [0, 2^32).
    """
    return int(np.random.SeedSequence((seed, epoch, rank)).generate_state(1)[0])


def seed_generators(seed: int) -> None:
    """Seeds the generators of ``random``, ``numpy`` and ``torch`` (all devices).

    Args:
        seed (int): A number in [0, 2^32).
    """
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


def seed_worker(worker_id: int) -> None:
    """Seeds a data loading worker from the seed that torch gave it, which the main process's generator determines.

    Args:
        worker_id (int): The worker's number; torch has mixed it into the seed already.
    """
    seed = torch.initial_seed() % 2**32
    random.seed(seed)
    np.random.seed(seed)


@HOOKS.register_module()
class ReproducibleEpochsHook(Hook):
    """Lets a training that resumes at an epoch's boundary repeat exactly what an unbroken one does.

    mmengine restores weights, optimizer and schedule, but no random state: after a resume, dropout and augmentation differ from
    those of a run that was never stopped. Its data loading workers have a fault of their own: restarted workers draw the same
    augmentations in every epoch, and persistent ones draw numbers that depend on how many epochs they have lived through.

    This hook derives everything from (seed, epoch, rank). At the start of each training epoch it seeds the generators of the
    main process (dropout); torch draws the workers' seeds from there, so workers are started anew for each epoch (a fraction of a
    second). When a resumed run takes its seed from the checkpoint, the sampler follows.

    It applies to ``EpochBasedTrainLoop``. A ``worker_init_fn`` that the config names itself is left alone.
    """

    priority = 'VERY_HIGH'

    def before_train(self, runner: Runner) -> None:
        """Hands the workers' seeding to torch and the run's seed to the sampler.

        Args:
            runner (Runner): The runner of the training.
        """
        loader = runner.train_loop.dataloader
        init = loader.worker_init_fn
        if init is None or (isinstance(init, partial) and init.func is mmengine_worker_init):
            loader.worker_init_fn = seed_worker
        # Ranks must shuffle alike: with one seed for each rank, mmengine has drawn a common one for the sampler.
        if not runner._randomness_cfg.get('diff_rank_seed', False):
            for sampler in (loader.sampler, getattr(loader.batch_sampler, 'sampler', None)):
                if hasattr(sampler, 'seed'):
                    sampler.seed = runner.seed

    def before_train_epoch(self, runner: Runner) -> None:
        """Seeds the epoch and lets its workers start afresh.

        Args:
            runner (Runner): The runner of the training.
        """
        seed_generators(epoch_seed(runner.seed, runner.epoch, get_rank()))
        self._end_workers(runner)

    def after_train(self, runner: Runner) -> None:
        """Ends the workers, which would otherwise live as long as the runner.

        Args:
            runner (Runner): The runner of the training.
        """
        self._end_workers(runner)

    @staticmethod
    def _end_workers(runner: Runner) -> None:
        loader = runner.train_loop.dataloader
        if loader.persistent_workers:
            loader._iterator = None  # torch keeps persistent workers here, and has no public way to end them
