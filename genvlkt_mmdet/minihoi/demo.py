"""The demo: trains the small model on rendered images, evaluates it, draws its predictions and diagnoses its errors."""

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
from ..evaluation import load_detections, load_ground_truth
from ..evaluation.evaluate import diagnose_detections
from ..evaluation.reporting.diagnosis import by_gain
from ..evaluation.reporting.diagnosis_page import write_diagnosis


def run_demo(
    config: str | Path,
    work_dir: str | Path,
    seed: int = 0,
    resume: bool = False,
    num_images: int = 8,
) -> dict[str, Any]:
    """Trains a model on MiniHOI, evaluates it, draws predictions beside the ground truth and diagnoses its errors.

    MiniHOI is rendered if it is missing. The console shows a few lines; the log files in ``work_dir`` have every detail.

    Args:
        config (str | Path): Config of the training.
        work_dir (str | Path): Folder for logs, checkpoints, drawings, the results file and the diagnosis.
        seed (int): Seed of initialisation, shuffling and augmentation. Default: 0.
        resume (bool): Whether to go on from the last checkpoint in ``work_dir``. Default: False.
        num_images (int): Number of test images to draw. Default: 8.

    Returns:
        dict: ``full``, ``rare`` and ``non_rare``: mAP in [0, 1] on the test split. ``minutes``: duration of this call.
        ``drawings``: files of the drawings, one per image and a last one that shows them all. ``gains``: how much mAP fixing
        each kind of error would gain, most first. ``diagnosis``: the page that shows the errors.
    """
    start = time.time()
    work_dir = Path(work_dir)
    cfg = training_config(config, work_dir=work_dir, cfg_options={'randomness.seed': seed}, resume=resume)
    train_model(cfg, verbose=False)
    checkpoint = latest_checkpoint(work_dir)
    if checkpoint is None:
        raise FileNotFoundError(f"The training left no checkpoint in '{work_dir}'.")
    cfg = testing_config(config, checkpoint, work_dir=work_dir)
    results = work_dir / 'test'
    evaluator = cfg.test_evaluator if isinstance(cfg.test_evaluator, dict) else cfg.test_evaluator[0]
    evaluator.update(outfile_prefix=str(results), outfile_format='npz')
    metrics = test_model(cfg, verbose=False)
    gains, page = _diagnose(cfg, results.with_suffix('.results.npz'), work_dir / 'diagnosis')
    drawings = _draw_test_images(cfg, checkpoint, work_dir / 'drawings', num_images)
    return dict(
        full=metrics['hico/full'],
        rare=metrics['hico/rare'],
        non_rare=metrics['hico/non_rare'],
        minutes=round((time.time() - start) / 60, 2),
        drawings=[str(path) for path in drawings],
        gains=gains,
        diagnosis=str(page),
    )


def _diagnose(cfg: Config, results: Path, folder: Path) -> tuple[dict[str, float], Path]:
    """Diagnoses the errors on the test split. Returns the mAP that fixing each kind would gain, and the page."""
    dataset = DATASETS.build(cfg.test_dataloader.dataset)
    images = load_ground_truth(dataset.ann_file, dataset.vocabulary)
    detections = load_detections(results, images, dataset.vocabulary)
    diagnosis = diagnose_detections(detections, images, dataset.vocabulary)
    (summary,), files = write_diagnosis(folder, [diagnosis], images, dataset.vocabulary, dataset.data_prefix['img'])
    return {kind: summary['fixes'][kind]['gain'] for kind in by_gain(summary)}, files[-1]


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
