"""Hooks that make an interrupted and resumed training equal to one without interruption."""

from .checkpoint_start_hook import CheckpointStartHook
from .reproducible_epochs_hook import ReproducibleEpochsHook
from .safe_checkpoint_hook import SafeCheckpointHook

__all__ = ['CheckpointStartHook', 'ReproducibleEpochsHook', 'SafeCheckpointHook']
