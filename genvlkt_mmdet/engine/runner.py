"""mmengine's Runner, with one sentence for a part that cannot be built from its settings."""

import functools
import warnings
from collections.abc import Callable, Mapping
from typing import Any

from mmengine.config import Config
from mmengine.evaluator import Evaluator
from mmengine.logging import MMLogger
from mmengine.optim import OptimWrapper
from mmengine.registry import OPTIMIZERS
from mmengine.runner import Runner
from mmengine.runner.loops import BaseLoop
from torch.utils.data import DataLoader

from .checkpoints import CheckpointError
from .console import ShortConsoleHook, shorten_console
from .explanation import ConfigError, config_name, explained, one_line

# The methods of the Runner that build a part, and the setting of that part. All of them run before the first training step.
_PARTS = dict(
    setup_env='env_cfg',
    set_randomness='randomness',
    build_log_processor='log_processor',
    build_logger='log_level',
    build_visualizer='visualizer',
    build_model='model',
    wrap_model='model_wrapper_cfg',
    register_default_hooks='default_hooks',
    register_custom_hooks='custom_hooks',
    build_train_loop='train_cfg',
    build_optim_wrapper='optim_wrapper',
    scale_lr='auto_scale_lr',
    build_param_scheduler='param_scheduler',
    build_val_loop='val_cfg',
    build_test_loop='test_cfg',
)


class ExplainedRunner(Runner):
    """Runner that raises a :class:`ConfigError` for a part that cannot be built. It leaves errors of the training itself."""

    def build_dataloader(self, dataloader: Any, *args: Any, **kwargs: Any) -> DataLoader:
        """Builds a dataloader."""
        return explained(
            lambda: Runner.build_dataloader(dataloader, *args, **kwargs), self._place(dataloader, 'dataloader')
        )

    def build_evaluator(self, evaluator: Any) -> Evaluator:
        """Builds an evaluator."""
        return explained(
            lambda: super(ExplainedRunner, self).build_evaluator(evaluator), self._place(evaluator, 'evaluator')
        )

    def build_train_loop(self, loop: Any) -> BaseLoop:
        """Builds the training loop."""
        for name in ('max_epochs', 'max_iters', 'val_interval'):
            number = loop.get(name) if isinstance(loop, Mapping) else None
            if isinstance(number, int) and number < 1:
                raise ConfigError(f'train_cfg.{name} must be at least 1, not {number}.')
        return super().build_train_loop(loop)

    def build_optim_wrapper(self, optim_wrapper: Any) -> Any:
        """Builds the optimizer, and checks the arguments of gradient clipping, which are otherwise used in the first step."""
        optimizer = optim_wrapper.get('optimizer') if isinstance(optim_wrapper, Mapping) else None
        kind = optimizer.get('type') if isinstance(optimizer, Mapping) else None
        if isinstance(kind, str) and OPTIMIZERS.get(kind) is None:  # mmengine goes on with None
            raise KeyError(f'{kind} is not in the {OPTIMIZERS.name} registry')
        built = super().build_optim_wrapper(optim_wrapper)
        if isinstance(built, OptimWrapper) and built.clip_grad_kwargs:
            norm = built.clip_grad_kwargs.get('max_norm')
            if (
                isinstance(norm, (int, float)) and not norm > 0
            ):  # torch would turn the gradients around, or make them zero or NaN
                raise ConfigError(f'optim_wrapper.clip_grad.max_norm must be above 0, not {norm}.')
            clip = functools.partial(built.clip_func, [], **built.clip_grad_kwargs)
            explained(clip, 'optim_wrapper.clip_grad')
        return built

    def load_or_resume(self) -> None:
        """Loads the checkpoint to start from."""
        try:
            explained(super().load_or_resume, 'load_from')
        except ConfigError as error:
            cause = error.__cause__
            if isinstance(cause, ValueError):  # says what does not fit
                raise
            raise CheckpointError(
                f'The checkpoint {self._load_from} is damaged or belongs to another training ({type(cause).__name__}: '
                f'{one_line(cause)}): take another one, or start a new training.'
            ) from error

    def _place(self, part: Any, kind: str) -> str:
        """The setting of a dataloader or evaluator, e.g. ``'val_dataloader'``."""
        found = [f'{use}_{kind}' for use in ('train', 'val', 'test') if getattr(self, f'_{use}_{kind}', None) is part]
        return found[0] if found else kind


def _explained_method(name: str, path: str) -> Callable[..., Any]:
    original = getattr(ExplainedRunner, name)

    @functools.wraps(original)
    def method(self: Runner, *args: Any, **kwargs: Any) -> Any:
        return explained(lambda: original(self, *args, **kwargs), path)

    return method


for _name, _path in _PARTS.items():
    setattr(ExplainedRunner, _name, _explained_method(_name, _path))


class ShortConsoleRunner(ExplainedRunner):
    """Runner whose console shows only what a person follows."""

    def build_logger(self, *args: Any, **kwargs: Any) -> MMLogger:
        """Builds the logger, with a short console."""
        logger = super().build_logger(*args, **kwargs)
        shorten_console(logger)
        return logger


def build_runner(cfg: Config, verbose: bool) -> Runner:
    """Builds the Runner of a config. ``verbose``: whether the console shows all that the log file holds."""
    with warnings.catch_warnings():
        # The visualizer is one per process, also where a test follows a training.
        warnings.filterwarnings('ignore', message='.* instance named of visualizer has been created')
        kind = ExplainedRunner if verbose else ShortConsoleRunner
        runner = explained(lambda: kind.from_cfg(cfg), f'The config {config_name(cfg)}')
    if not verbose:
        runner.register_hook(ShortConsoleHook())
    return runner
