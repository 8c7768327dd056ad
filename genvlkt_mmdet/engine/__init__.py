"""Training and testing with mmengine's Runner: launching, checks, safe checkpoints and reproducible resuming."""

from .arguments import parse_runner_args
from .checkpoints import AtomicLocalBackend, CheckpointError, latest_checkpoint, load_weights
from .device import check_device
from .embedded_config import (
    drop_old_config,
    embed_config,
    inference_pipeline,
    read_embedded_config,
    registered_names_only,
)
from .hooks import CheckpointStartHook, ReproducibleEpochsHook, SafeCheckpointHook
from .launch import test_model, testing_config, train_model, training_config
from .mmdet_tools import mmdet_tools, run_mmdet_tool
from .preflight import ConfigError

__all__ = [
    'AtomicLocalBackend',
    'CheckpointError',
    'CheckpointStartHook',
    'ConfigError',
    'ReproducibleEpochsHook',
    'SafeCheckpointHook',
    'check_device',
    'drop_old_config',
    'embed_config',
    'inference_pipeline',
    'latest_checkpoint',
    'load_weights',
    'mmdet_tools',
    'parse_runner_args',
    'read_embedded_config',
    'registered_names_only',
    'run_mmdet_tool',
    'test_model',
    'testing_config',
    'train_model',
    'training_config',
]
