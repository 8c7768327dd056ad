"""Hooks that make a killed and resumed training end like one that was not killed."""

from .checkpoint_start_hook import CheckpointStartHook
from .reproducible_epochs_hook import ReproducibleEpochsHook
from .safe_checkpoint_hook import SafeCheckpointHook

__all__ = ['CheckpointStartHook', 'ReproducibleEpochsHook', 'SafeCheckpointHook']
