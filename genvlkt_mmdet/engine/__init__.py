"""Training machinery around mmengine's Runner: reproducible resuming, safe checkpoints, and what tools/train and test call."""

from .arguments import parse_runner_args
from .checkpoints import AtomicLocalBackend, CheckpointError, latest_checkpoint, load_weights
from .hooks import CheckpointStartHook, ReproducibleEpochsHook, SafeCheckpointHook
from .launch import test_model, testing_config, train_model, training_config
from .preflight import ConfigError

__all__ = [
    'AtomicLocalBackend',
    'CheckpointError',
    'CheckpointStartHook',
    'ConfigError',
    'ReproducibleEpochsHook',
    'SafeCheckpointHook',
    'latest_checkpoint',
    'load_weights',
    'parse_runner_args',
    'test_model',
    'testing_config',
    'train_model',
    'training_config',
]
