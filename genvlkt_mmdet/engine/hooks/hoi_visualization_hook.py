"""Draws some validation images at every evaluation."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import mmcv
from mmdet.engine.hooks import DetVisualizationHook
from mmdet.registry import HOOKS
from mmengine.dist import master_only
from mmengine.fileio import get
from mmengine.runner import Runner


@HOOKS.register_module()
class HOIVisualizationHook(DetVisualizationHook):
    """Draws the same validation images at every evaluation: ground truth on the left, prediction on the right.

    The drawings go to the visualizer's backends: files in the work folder, TensorBoard, Weights & Biases. mmdet's hook draws an
    image whenever the number of batches is a multiple of its interval, a different one each time, and none of a small dataset.

    With ``draw=True``, tests are drawn as in mmdet's hook.

    Args:
        num_val_images (int): Number of images to draw in a training, the first ones of the validation set. Default: 4.
        **kwargs: Arguments of mmdet's ``DetVisualizationHook``.
    """

    def __init__(self, num_val_images: int = 4, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.num_val_images = num_val_images
        self._left = 0

    def before_run(self, runner: Runner) -> None:
        """Takes the runner's visualizer. mmdet's hook takes one of the process, which can be that of an earlier inference."""
        self._visualizer = runner.visualizer

    def before_val_epoch(self, runner: Runner) -> None:
        """Starts a new evaluation."""
        self._left = self.num_val_images

    @master_only
    def after_val_iter(self, runner: Runner, batch_idx: int, data_batch: dict, outputs: Sequence) -> None:
        """Draws the images of a batch that are among the first ones."""
        for sample in outputs[: self._left]:
            image = mmcv.imfrombytes(get(sample.img_path, backend_args=self.backend_args), channel_order='rgb')
            self._visualizer.add_datasample(
                f'val_{Path(sample.img_path).stem}', image, sample, pred_score_thr=self.score_thr, step=runner.iter
            )
            self._left -= 1
