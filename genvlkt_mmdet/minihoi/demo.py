"""The demo: trains the small model on rendered images, evaluates it and draws its predictions."""

import time
from pathlib import Path
from typing import Any

import mmcv
import numpy as np
import torch
from mmdet.registry import DATASETS
from mmengine.config import Config
from mmengine.dataset import pseudo_collate

from ..apis.hoi_inferencer import DEFAULT_SCORE_THR, HOIInferencer
from ..datasets.image_file import write_image
from ..engine import latest_checkpoint, test_model, testing_config, train_model, training_config


def run_demo(
    config: str | Path,
    work_dir: str | Path,
    seed: int = 0,
    resume: bool = False,
    num_images: int = 8,
) -> dict[str, Any]:
    """Trains a model on MiniHOI, evaluates it and draws predictions beside the ground truth.

    MiniHOI is rendered if it is missing. The console shows a few lines; the log files in ``work_dir`` have every detail.

    Args:
        config (str | Path): Config of the training.
        work_dir (str | Path): Folder for logs, checkpoints and drawings.
        seed (int): Seed of initialisation, shuffling and augmentation. Default: 0.
        resume (bool): Whether to go on from the last checkpoint in ``work_dir``. Default: False.
        num_images (int): Number of test images to draw. Default: 8.

    Returns:
        dict: ``full``, ``rare`` and ``non_rare``: mAP in [0, 1] on the test split. ``minutes``: duration of this call.
        ``drawings``: files of the drawings, one per image and a last one that shows them all.
    """
    start = time.time()
    work_dir = Path(work_dir)
    cfg = training_config(config, work_dir=work_dir, cfg_options={'randomness.seed': seed}, resume=resume)
    train_model(cfg, verbose=False)
    checkpoint = latest_checkpoint(work_dir)
    if checkpoint is None:
        raise FileNotFoundError(f"The training left no checkpoint in '{work_dir}'.")
    cfg = testing_config(config, checkpoint, work_dir=work_dir)
    metrics = test_model(cfg, verbose=False)
    drawings = _draw_test_images(cfg, checkpoint, work_dir / 'drawings', num_images)
    return dict(
        full=metrics['hico/full'],
        rare=metrics['hico/rare'],
        non_rare=metrics['hico/non_rare'],
        minutes=round((time.time() - start) / 60, 2),
        drawings=[str(path) for path in drawings],
    )


def _draw_test_images(cfg: Config, checkpoint: str, out_dir: Path, count: int) -> list[Path]:
    """Draws predictions beside the ground truth for images spread evenly over the test split."""
    inferencer = HOIInferencer(cfg, weights=checkpoint, show_progress=False)
    dataset = DATASETS.build(cfg.test_dataloader.dataset)
    files, drawn = [], []
    for index in np.linspace(0, len(dataset) - 1, count).astype(int):
        batch = pseudo_collate([dataset[index]])
        with torch.no_grad():
            sample = inferencer.model.test_step(batch)[0]
        file = out_dir / f'{Path(sample.img_path).stem}.png'
        image = mmcv.imread(sample.img_path, channel_order='rgb')
        inferencer.visualizer.add_datasample(
            file.stem, image, sample, out_file=str(file), pred_score_thr=DEFAULT_SCORE_THR
        )
        files.append(file)
        drawn.append(inferencer.visualizer.get_image())
    overview = out_dir / 'overview.png'
    write_image(overview, _grid(drawn)[..., ::-1])
    return [*files, overview]


def _grid(images: list[np.ndarray], columns: int = 2) -> np.ndarray:
    """Puts images into a grid, each on a white tile of the largest size."""
    height, width = (max(image.shape[axis] for image in images) for axis in (0, 1))
    rows = -(-len(images) // columns)
    sheet = np.full((rows * height, columns * width, 3), 255, np.uint8)
    for i, image in enumerate(images):
        top, left = i // columns * height, i % columns * width
        sheet[top : top + image.shape[0], left : left + image.shape[1]] = image
    return sheet
