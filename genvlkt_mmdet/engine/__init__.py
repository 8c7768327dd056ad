"""Training machinery around mmengine's Runner: reproducible resuming, safe checkpoints, and what tools/train and test call."""

from .arguments import parse_runner_args
from .checkpoints import AtomicLocalBackend, CheckpointError, latest_checkpoint, load_weights
from .device import check_device
from .embedded_config import embed_config, inference_pipeline, read_embedded_config, registered_names_only
from .hooks import CheckpointStartHook, ReproducibleEpochsHook, SafeCheckpointHook
from .launch import sentence_of, test_model, testing_config, train_model, training_config
from .mmdet_tools import mmdet_tools, run_mmdet_tool
from .preflight import ConfigError, explained

__all__ = [
    'AtomicLocalBackend',
    'CheckpointError',
    'CheckpointStartHook',
    'ConfigError',
    'ReproducibleEpochsHook',
    'SafeCheckpointHook',
    'check_device',
    'embed_config',
    'explained',
    'inference_pipeline',
    'latest_checkpoint',
    'load_weights',
    'mmdet_tools',
    'parse_runner_args',
    'read_embedded_config',
    'registered_names_only',
    'run_mmdet_tool',
    'sentence_of',
    'test_model',
    'testing_config',
    'train_model',
    'training_config',
]
