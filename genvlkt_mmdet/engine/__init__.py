"""Training machinery around mmengine's Runner: reproducible resuming, safe checkpoints, and what tools/train and test call."""

from .arguments import parse_runner_args
from .checkpoints import AtomicLocalBackend, CheckpointError, check_checkpoint, latest_checkpoint
from .device import check_device
from .embedded_config import (
    drop_old_config,
    embed_config,
    inference_pipeline,
    read_embedded_config,
    registered_names_only,
)
from .hooks import ReproducibleEpochsHook, SafeCheckpointHook
from .launch import test_model, testing_config, train_model, training_config

__all__ = [
    'AtomicLocalBackend',
    'CheckpointError',
    'ReproducibleEpochsHook',
    'SafeCheckpointHook',
    'check_checkpoint',
    'check_device',
    'drop_old_config',
    'embed_config',
    'inference_pipeline',
    'latest_checkpoint',
    'parse_runner_args',
    'read_embedded_config',
    'registered_names_only',
    'test_model',
    'testing_config',
    'train_model',
    'training_config',
]
