"""Training machinery around mmengine's Runner: reproducible resuming, safe checkpoints, and what tools/train and test call."""

from .arguments import parse_runner_args
from .checkpoints import AtomicLocalBackend, CheckpointError, check_checkpoint, latest_checkpoint
from .hooks import ReproducibleEpochsHook, SafeCheckpointHook
from .launch import test_model, testing_config, train_model, training_config
from .mmdet_tools import mmdet_tools, run_mmdet_tool

__all__ = [
    'AtomicLocalBackend',
    'CheckpointError',
    'ReproducibleEpochsHook',
    'SafeCheckpointHook',
    'check_checkpoint',
    'latest_checkpoint',
    'mmdet_tools',
    'parse_runner_args',
    'run_mmdet_tool',
    'test_model',
    'testing_config',
    'train_model',
    'training_config',
]
