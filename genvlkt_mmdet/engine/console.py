"""The short console of training and testing; the log file keeps every detail."""

import logging
import os
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import mmengine
from mmengine.dist import master_only
from mmengine.hooks import Hook, LoggerHook
from mmengine.runner import EpochBasedTrainLoop, Runner

_MMENGINE = os.path.dirname(mmengine.__file__)
# Messages that say nothing about this run.
_NOISE = (
    'paramwise_options -- ',
    'is skipped since its requires_grad=False',
    '"FileClient" will be deprecated',
    '"HardDiskBackend" is the alias',
)
# The `extra` of a message for the log file alone.
FILE_ONLY = dict(file_only=True)


class ShortFormatter(logging.Formatter):
    """Formats a message without time and logger; a level above INFO stands before it."""

    def format(self, record: logging.LogRecord) -> str:
        """Formats one record."""
        text = super().format(record).strip('\n')
        return text if record.levelno <= logging.INFO else f'{record.levelname}: {text}'


def is_essential(record: logging.LogRecord) -> bool:
    """Whether the short console shows a record: warnings, errors and messages that mmengine did not write itself."""
    message = record.getMessage()
    if getattr(record, 'file_only', False) or any(noise in message for noise in _NOISE):
        return False
    # All other packages write through mmengine's print_log or from files of their own.
    by_mmengine = record.pathname.startswith(_MMENGINE) and record.funcName != 'print_log'
    return record.levelno >= logging.WARNING or not by_mmengine


def shorten_console(logger: logging.Logger) -> None:
    """Makes the console output of a logger short; its log file stays as it is."""
    for handler in logger.handlers:
        if isinstance(handler, logging.StreamHandler) and not isinstance(handler, logging.FileHandler):
            handler.setFormatter(ShortFormatter())
            if is_essential not in handler.filters:
                handler.addFilter(is_essential)


class ShortConsoleHook(Hook):
    """Prints one line per logging step: where the training is, the loss and the time left."""

    priority = 'VERY_LOW'

    @master_only
    def before_train(self, runner: Runner) -> None:
        """Prints what is trained, for how long, and where the files are."""
        loop = runner.train_loop
        length = f'{loop.max_epochs} epochs' if isinstance(loop, EpochBasedTrainLoop) else f'{loop.max_iters} steps'
        print(f'Training on {len(loop.dataloader.dataset)} images for {length}.')
        self._print_files(runner)

    @master_only
    def before_test(self, runner: Runner) -> None:
        """Prints what is tested and where the files are."""
        print(f'Testing on {len(runner.test_loop.dataloader.dataset)} images.')
        self._print_files(runner)

    @master_only
    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: dict | None = None
    ) -> None:
        """Prints the line of a logging step."""
        loop = runner.train_loop
        by_epoch = isinstance(loop, EpochBasedTrainLoop)
        total = len(loop.dataloader) if by_epoch else loop.max_iters
        done, interval = batch_idx + 1, self._interval(runner)
        if done % interval and done != total:
            return
        hub = runner.message_hub
        parts = [f'Epoch {runner.epoch + 1}/{loop.max_epochs}' if by_epoch else '', f'step {done}/{total}']
        if 'train/loss' in hub.log_scalars:
            parts.append(f'loss {hub.get_scalar("train/loss").mean(interval):.3f}')
        if 'eta' in hub.runtime_info:
            parts.append(f'{timedelta(seconds=int(hub.get_info("eta")))} left')
        print(', '.join(filter(None, parts)), flush=True)

    def after_val_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Sequence | None = None
    ) -> None:
        """Prints how far a validation is."""
        self._print_progress(runner, 'Validation', batch_idx + 1, len(runner.val_dataloader))

    def after_test_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Sequence | None = None
    ) -> None:
        """Prints how far a test is."""
        self._print_progress(runner, 'Test', batch_idx + 1, len(runner.test_dataloader))

    @master_only
    def _print_progress(self, runner: Runner, what: str, done: int, total: int) -> None:
        if done % self._interval(runner) == 0 and done != total:
            print(f'{what}, batch {done}/{total}', flush=True)

    @staticmethod
    def _interval(runner: Runner) -> int:
        return next((hook.interval for hook in runner.hooks if isinstance(hook, LoggerHook)), 50)

    @staticmethod
    def _print_files(runner: Runner) -> None:
        print(f'Files are in {runner.work_dir}, the full log in {runner.log_dir}/{runner.timestamp}.log', flush=True)
