"""Hooks of a training: safe checkpoints, reproducible resuming, drawings of an evaluation."""

from .checkpoint_start_hook import CheckpointStartHook
from .hoi_visualization_hook import HOIVisualizationHook
from .reproducible_epochs_hook import ReproducibleEpochsHook
from .safe_checkpoint_hook import SafeCheckpointHook

__all__ = ['CheckpointStartHook', 'HOIVisualizationHook', 'ReproducibleEpochsHook', 'SafeCheckpointHook']
