"""Starts from a checkpoint without reading files whose weights the checkpoint replaces."""

from typing import Any

from mmdet.registry import HOOKS
from mmengine.hooks import Hook
from mmengine.runner import Runner, find_latest_checkpoint
from mmengine.runner.loops import BaseLoop

from ...converters import load_checkpoint
from ..checkpoints import fitting_weights, match_classes, unwrapped


@HOOKS.register_module()
class CheckpointStartHook(Hook):
    """Tells the model which weights it will load from a checkpoint, for ``resume`` and ``load_from``.

    mmengine's Runner initialises a model before it loads a checkpoint. GEN-VLKT's initialisation reads a DETR and CLIP's text
    embeddings. With this hook it does not read them if the checkpoint has all of those weights.
    """

    priority = 'VERY_HIGH'

    def before_run(self, runner: Runner) -> None:
        """Reads the names of the weights in the checkpoint. The Runner initialises the model right after this."""
        model = unwrapped(runner.model)
        # A test has no training loop and initialises nothing.
        if not hasattr(model, 'expect_weights') or not isinstance(runner._train_loop, BaseLoop):
            return
        file = runner._load_from
        if file is None and runner._resume:
            file = find_latest_checkpoint(runner.work_dir)
        if file is not None:
            model.expect_weights(fitting_weights(model, load_checkpoint(file), file))

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Takes the trained weights of known classes from a checkpoint with other classes."""
        if isinstance(runner._train_loop, BaseLoop):
            match_classes(runner.model, checkpoint, runner._load_from)
