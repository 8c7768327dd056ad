"""Training and testing with mmengine's Runner: launching, checks, safe checkpoints and reproducible resuming."""

from .arguments import (
    add_cfg_options,
    add_optimization_arguments,
    add_runner_arguments,
    command,
    in_range,
    sentence_of,
)
from .bfloat16 import BFloat16OptimWrapper, computes_bfloat16
from .checkpoints import AtomicLocalBackend, CheckpointError, dataset_meta, latest_checkpoint, load_weights
from .device import check_device
from .embedded_config import embed_config, inference_pipeline, read_embedded_config, registered_names_only
from .explanation import ConfigError, config_name, explained, one_line
from .hooks import CheckpointStartHook, HOIVisualizationHook, ReproducibleEpochsHook, SafeCheckpointHook
from .launch import config_from_file, load_config, test_model, testing_config, train_model, training_config
from .mmdet_tools import mmdet_tools, run_mmdet_tool
from .preflight import build_model

__all__ = [
    'AtomicLocalBackend',
    'BFloat16OptimWrapper',
    'CheckpointError',
    'CheckpointStartHook',
    'ConfigError',
    'HOIVisualizationHook',
    'ReproducibleEpochsHook',
    'SafeCheckpointHook',
    'add_cfg_options',
    'add_optimization_arguments',
    'add_runner_arguments',
    'build_model',
    'check_device',
    'command',
    'computes_bfloat16',
    'config_from_file',
    'config_name',
    'dataset_meta',
    'embed_config',
    'explained',
    'in_range',
    'inference_pipeline',
    'latest_checkpoint',
    'load_config',
    'load_weights',
    'mmdet_tools',
    'one_line',
    'read_embedded_config',
    'registered_names_only',
    'run_mmdet_tool',
    'sentence_of',
    'test_model',
    'testing_config',
    'train_model',
    'training_config',
]
