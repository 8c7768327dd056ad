"""Images of the inputs of the network and the CLIP teacher."""

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
    """Draws the items of a dataset after its pipeline.

    Each image shows the network input after augmentation with the pairs for training or, in a test pipeline, for evaluation.
    In training, the image for the CLIP teacher is next to it.

    Args:
        cfg (Config): A config with ``{split}_dataloader``.
        out_dir (str | Path): Folder for the images.
        split (str): ``'train'``, ``'val'`` or ``'test'``.
        limit (int, optional): Maximum number of items. None: all.

    Yields:
        Path: The file of each image, after it is written.

    Raises:
        ValueError: If the config has no such split.
    """
    loader = cfg.get(f'{split}_dataloader')
    if loader is None:
        known = ', '.join(name for name in ('train', 'val', 'test') if cfg.get(f'{name}_dataloader'))
        name = f" '{cfg.filename}'" if cfg.filename else ''
        raise ValueError(f"The config{name} has no '{split}_dataloader'; it has: {known or 'none'}.")
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
            drawn = _join(drawn, clip.to_image(sample.clip_image))
        path = Path(out_dir) / f'{i:06d}_{Path(sample.img_path).stem}.jpg'
        write_image(path, drawn[..., ::-1])
        yield path


def as_seen(sample: HOIDataSample) -> HOIDataSample:
    """Copies a sample of a pipeline, with ``eval_gt`` in pixels of the network input. Test pipelines do not flip."""
    sample = sample.clone()
    if 'eval_gt' in sample.metainfo:
        scale = np.tile(np.asarray(sample.metainfo.get('scale_factor', (1.0, 1.0)), dtype=np.float32), 2)
        gt = sample.eval_gt
        humans, objects = gt.triplets.human_boxes * scale, gt.triplets.object_boxes * scale
        triplets = replace(gt.triplets, human_boxes=humans, object_boxes=objects)
        persons = gt.persons and replace(gt.persons, boxes=gt.persons.boxes * scale)
        boxes = None if gt.boxes is None else gt.boxes * scale
        sample.set_metainfo(dict(eval_gt=replace(gt, triplets=triplets, persons=persons, boxes=boxes)))
    return sample


def _join(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Places two images next to each other. A small right image is enlarged to twice its size."""
    if 3 * right.shape[0] < left.shape[0]:
        right = cv2.resize(right, None, fx=2, fy=2, interpolation=cv2.INTER_NEAREST)
    canvas = np.full(
        (max(left.shape[0], right.shape[0]), left.shape[1] + _GAP + right.shape[1], 3), _PAPER, dtype=np.uint8
    )
    canvas[: left.shape[0], : left.shape[1]] = left
    canvas[: right.shape[0], left.shape[1] + _GAP :] = right
    return canvas
