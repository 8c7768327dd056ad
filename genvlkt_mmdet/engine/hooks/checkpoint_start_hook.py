"""Lets a training that starts from a checkpoint do without the files that it would only overwrite."""

from mmdet.registry import HOOKS
from mmengine.hooks import Hook
from mmengine.runner import Runner, find_latest_checkpoint
from mmengine.runner.loops import BaseLoop

from ...converters import load_checkpoint
from ..checkpoints import fitting_weights, unwrapped


@HOOKS.register_module()
class CheckpointStartHook(Hook):
    """Tells the model which weights a checkpoint is about to bring, for ``resume`` and ``load_from``.

    mmengine's Runner initialises a model before it loads a checkpoint. GEN-VLKT's initialisation reads a DETR and CLIP's text
    embeddings; with this hook it reads neither where the checkpoint has all that they fill.
    """

    priority = 'VERY_HIGH'

    def before_run(self, runner: Runner) -> None:
        """Looks into the checkpoint; the Runner initialises the model right after it.

        Args:
            runner (Runner): The runner.
        """
        model = unwrapped(runner.model)
        # In a test, which has no training loop, nothing is initialised.
        if not hasattr(model, 'expect_weights') or not isinstance(runner._train_loop, BaseLoop):
            return
        file = runner._load_from
        if file is None and runner._resume:
            file = find_latest_checkpoint(runner.work_dir)
        if file is not None:
            model.expect_weights(fitting_weights(model, load_checkpoint(file), file))
