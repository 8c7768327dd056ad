"""Pictures of what the network and the CLIP teacher see."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from mmdet.registry import DATASETS
from mmengine.config import Config
from mmengine.registry import init_default_scope

from ..datasets.image_file import write_image
from ..datasets.transforms import MakeCLIPImage
from ..structures import HOIDataSample
from . import HOIVisualizer

_GAP = 12
_PAPER = 255


def browse_dataset(cfg: Config, out_dir: str | Path, split: str = 'train', limit: int | None = None) -> Iterator[Path]:
    """Draws the items of a dataset as they leave its pipeline.

    A picture shows the network's input, flipped, coloured and cropped as it is, with the pairs that training uses (or,
    where the pipeline carries none, evaluation), and in training what the CLIP teacher sees beside it.

    Args:
        cfg (Config): A config with ``{split}_dataloader``.
        out_dir (str | Path): Folder for the pictures.
        split (str): ``'train'``, ``'val'`` or ``'test'``.
        limit (int, optional): Number of items from the first on; None takes all.

    Yields:
        Path: Each picture once it is written.

    Raises:
        ValueError: If the config has no such split.
    """
    loader = cfg.get(f'{split}_dataloader')
    if loader is None:
        known = ', '.join(name for name in ('train', 'val', 'test') if cfg.get(f'{name}_dataloader'))
        raise ValueError(f"The config has no '{split}_dataloader'; it has: {known or 'none'}.")
    init_default_scope(cfg.get('default_scope', 'mmdet'))
    dataset = DATASETS.build(loader.dataset)
    visualizer = HOIVisualizer()
    visualizer.dataset_meta = dataset.metainfo
    clip = next((t for t in dataset.pipeline.transforms if isinstance(t, MakeCLIPImage)), None)
    for i in range(len(dataset) if limit is None else min(limit, len(dataset))):
        packed = dataset[i]
        image = np.ascontiguousarray(packed['inputs'].numpy()[::-1].transpose(1, 2, 0))
        sample = as_seen(packed['data_samples'])
        visualizer.add_datasample(str(i), image, sample, draw_pred=False)
        drawn = visualizer.get_image()
        if clip is not None:
            drawn = _beside(drawn, clip.to_image(sample.clip_image))
        path = Path(out_dir) / f'{i:06d}_{Path(sample.img_path).stem}.jpg'
        write_image(path, drawn[..., ::-1])
        yield path


def as_seen(sample: HOIDataSample) -> HOIDataSample:
    """A sample whose annotation is in pixels of the network input, as if that were the original image.

    Args:
        sample (HOIDataSample): A sample as the pipeline packs it.

    Returns:
        HOIDataSample: A copy; ``eval_gt``, if any, is scaled and not flipped (test pipelines do not flip).
    """
    sample = sample.clone()
    if 'eval_gt' in sample.metainfo:
        scale = np.tile(np.asarray(sample.metainfo.get('scale_factor', (1.0, 1.0)), dtype=np.float32), 2)
        gt = sample.eval_gt
        triplets = replace(
            gt.triplets,
            human_boxes=gt.triplets.human_boxes * scale,
            object_boxes=gt.triplets.object_boxes * scale,
        )
        persons = gt.persons and replace(gt.persons, boxes=gt.persons.boxes * scale)
        sample.set_metainfo(dict(eval_gt=replace(gt, triplets=triplets, persons=persons)))
    return sample


def _beside(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Two pictures on one canvas; the right one at twice its size when it is small."""
    if 3 * right.shape[0] < left.shape[0]:
        right = cv2.resize(right, None, fx=2, fy=2, interpolation=cv2.INTER_NEAREST)
    height = max(left.shape[0], right.shape[0])
    canvas = np.full((height, left.shape[1] + _GAP + right.shape[1], 3), _PAPER, dtype=np.uint8)
    canvas[: left.shape[0], : left.shape[1]] = left
    canvas[: right.shape[0], left.shape[1] + _GAP :] = right
    return canvas
