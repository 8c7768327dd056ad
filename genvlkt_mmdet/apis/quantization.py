"""Exports a model in int8, and measures what that costs and brings."""

import os
import statistics
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from mmdet.registry import DATASETS, METRICS
from mmengine.config import Config

from ..engine import inference_pipeline
from ..engine.checkpoints import vocabulary_difference
from ..engine.preflight import dataset_leaves
from ..evaluation import HICOMetric
from ..evaluation.metrics import HOIMetric
from ..export import PARTS, image_sizes, move_openvino, quantize_openvino, quiet
from ..progress import progress_bar
from ..structures import HOIDataSample, has_object
from ..structures.boxes import box_iou
from ..text_table import text_table
from .configs import read_config
from .hoi_inferencer import HOIInferencer
from .model_export import export_model
from .sources import ImageInput, find_images

#: Maximum number of calibration images. NNCF's own default.
MAX_CALIBRATION = 300
_TOP = 10  # triplets of an image that agreement looks at


@dataclass(frozen=True)
class Measurement:
    """How good and how fast a model is.

    Attributes:
        quality (float): mAP, or agreement with the model in float32, in percent.
        milliseconds (float): Median time per image, selection of triplets included.
    """

    quality: float
    milliseconds: float


@dataclass(frozen=True)
class QuantizationReport:
    """What :func:`quantize_model` has measured.

    Attributes:
        measure (str): 'mAP', or 'agreement' with the model in float32.
        num_images (int): Number of measured images.
        num_operations (int): Number of convolutions and matrix products in int8.
        models (dict[str, Measurement]): 'float32', 'bfloat16', 'int8' and 'int8 and bfloat16', which is int8 with the rest in
            bfloat16 (``dtype='bfloat16'`` of :class:`HOIInferencer`).
    """

    measure: str
    num_images: int
    num_operations: int
    models: dict[str, Measurement]

    @property
    def loss(self) -> float:
        """float: Points that int8 costs."""
        return self.models['float32'].quality - self.models['int8'].quality

    def table(self) -> str:
        """The figures as a text table."""
        rows = [[name, f'{own.quality:.2f}', f'{own.milliseconds:.1f}'] for name, own in self.models.items()]
        return text_table([f'{self.num_images} images', f'{self.measure} (%)', 'ms per image'], rows)


def quantize_model(
    model: str | Path | Config,
    weights: str | Path,
    file: str | Path,
    calibration: ImageInput | Iterable[ImageInput],
    part: str = 'encoder',
    ann_file: str | Path | None = None,
    image_folder: str | Path = '',
    allow_loss: float = 1.0,
    max_images: int = 1000,
    show_progress: bool = False,
) -> QuantizationReport:
    """Writes a trained model for OpenVINO with its backbone and encoder in int8, unless that costs too much.

    It is measured on annotated images: those of ``ann_file``, or else the validation set of the config, if its files are
    there. Without annotations, it is measured how far the model in int8 agrees with that in float32, see :func:`agreement`. Then
    every second calibration image is left out of the calibration, and measured.

    Args:
        model (str | Path | Config): As of :class:`HOIInferencer`.
        weights (str | Path): Checkpoint.
        file (str | Path): The file to write, with the suffix ``.xml``. A second file has the suffix ``.bin``.
        calibration (ImageInput | Iterable): Images such as the model will see, from any source of :class:`HOIInferencer`. At
            most the first 300 are used.
        part (str): What is computed in int8: 'encoder' (backbone and encoder), 'backbone' or 'all'.
        ann_file (str | Path, optional): Annotated images with the classes of the model, in any supported format.
        image_folder (str | Path): Folder of the images of ``ann_file``.
        allow_loss (float): Points of mAP or agreement that int8 may cost.
        max_images (int): Maximum number of images to measure, taken evenly from the set.
        show_progress (bool): Whether to show a progress bar.

    Returns:
        QuantizationReport: What was measured.

    Raises:
        ImportError: If the extras ``export`` and ``quantize`` are not installed.
        LossError: If int8 costs more than ``allow_loss`` points. The file is not written then.
        ValueError: If a setting or image cannot be used, or as :func:`export_model`.
        OSError: If a file does not exist or cannot be written.
    """
    file = Path(file)
    if file.suffix.lower() != '.xml':
        raise ValueError(f"'{file}' must have the suffix .xml: int8 is for OpenVINO.")
    if part not in PARTS:
        raise ValueError(f"There is no part '{part}' to compute in int8: {', '.join(PARTS)}.")
    if max_images < 1:
        raise ValueError(f'max_images must be at least 1, not {max_images}.')
    cfg = model if isinstance(model, Config) else read_config(str(model))
    find_images(calibration)  # before anything that takes long
    file.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=file.parent) as folder:
        before, after = Path(folder, 'float32.xml'), Path(folder, 'int8.xml')
        export_model(cfg, weights, before, 'openvino')
        reference = HOIInferencer(before, show_progress=False)
        dataset = _ground_truth(cfg, reference, ann_file, image_folder)
        found = islice(reference.preprocess(find_images(calibration).items), MAX_CALIBRATION)
        images = [batch for _, batch in found]
        held_out: Sequence[Any] = images
        if dataset is None and len(images) > 1:
            images, held_out = images[::2], images[1::2]

        def inputs(batch: Any) -> Mapping[str, np.ndarray]:
            data = reference.model.data_preprocessor(deepcopy(batch), False)
            return reference.model.network_inputs(data['inputs'].numpy(), image_sizes(data['data_samples']))

        num_operations = quantize_openvino(before, after, images, inputs, part)
        models = dict(
            float32=reference,
            bfloat16=HOIInferencer(before, show_progress=False, dtype='bfloat16'),
            int8=HOIInferencer(after, show_progress=False),
        )
        models['int8 and bfloat16'] = HOIInferencer(after, show_progress=False, dtype='bfloat16')
        if dataset is None:
            chosen = _evenly(len(held_out), max_images)
            batches, measure = (held_out[i] for i in chosen), 'agreement'
        else:
            chosen = _evenly(len(dataset), max_images)
            batches, measure = (reference.collate_fn([dataset[i]]) for i in chosen), 'mAP'
        samples, milliseconds = predict_in_turns(list(models.values()), batches, len(chosen), show_progress)
        if dataset is None:
            qualities = [100 * agreement(samples[0], own) for own in samples]
        else:
            qualities = [_mean_average_precision(cfg, dataset, own) for own in samples]
        measured = dict(zip(models, map(Measurement, qualities, milliseconds), strict=True))
        report = QuantizationReport(measure, len(chosen), num_operations, measured)
        if not report.loss <= allow_loss:
            raise LossError(report, allow_loss)
        move_openvino(after, file)
    return report


class LossError(ValueError):
    """A model in int8 is too much worse. ``report`` says by how much."""

    def __init__(self, report: QuantizationReport, allowed: float) -> None:
        super().__init__(
            f'The model was not written: int8 costs {report.loss:.2f} points of {report.measure}, and {allowed:g} are allowed. '
            'Take bfloat16, leave the encoder in float (--int8 backbone), give more calibration images, or allow more '
            '(--allow-loss).'
        )
        self.report = report


def predict_in_turns(
    models: Sequence[HOIInferencer], batches: Iterable[Any], total: int | None = None, show_progress: bool = False
) -> tuple[list[list[HOIDataSample]], list[float]]:
    """Predicts the same batches with several models, one after the other for each batch.

    Args:
        models (Sequence[HOIInferencer]): The models.
        batches (Iterable): Batches of one image for ``test_step``, as of :meth:`HOIInferencer.preprocess`.
        total (int, optional): Number of batches.
        show_progress (bool): Whether to show a progress bar.

    Returns:
        tuple[list[list[HOIDataSample]], list[float]]: The predictions of each model, and its median time per batch in
        milliseconds.
    """
    samples: list[list[HOIDataSample]] = [[] for _ in models]
    seconds: list[list[float]] = [[] for _ in models]
    with progress_bar('Measuring', total, show_progress) as advance:
        for batch in batches:
            for i, inferencer in enumerate(models):
                own = deepcopy(batch)
                start = time.perf_counter()
                samples[i] += inferencer.forward(own)
                seconds[i].append(time.perf_counter() - start)
            advance(1)
    return samples, [1e3 * statistics.median(own) for own in seconds]


def agreement(reference: Sequence[HOIDataSample], others: Sequence[HOIDataSample]) -> float:
    """Share of the best triplets of a model that another model finds as well.

    Of each image, the 10 triplets of the reference with the highest scores count. The other model has found one of them if it is
    among its own triplets up to twice that rank: the same class, and an IoU of at least 0.5 for both boxes.

    Args:
        reference (Sequence[HOIDataSample]): Predictions with ``pred_hois``, highest score first.
        others (Sequence[HOIDataSample]): Those of the other model.

    Returns:
        float: From 0 to 1. 1 if the reference has no triplets.
    """
    found = []
    for one, other in zip(reference, others, strict=True):
        wanted, given = one.pred_hois[:_TOP].numpy(), other.pred_hois[: 2 * _TOP].numpy()
        same = wanted.hoi_labels[:, None] == given.hoi_labels[None]
        same &= box_iou(wanted.human_boxes[:, None], given.human_boxes[None]) >= 0.5
        neither = ~has_object(wanted.object_boxes)[:, None] & ~has_object(given.object_boxes)[None]
        with np.errstate(invalid='ignore'):
            same &= neither | (box_iou(wanted.object_boxes[:, None], given.object_boxes[None]) >= 0.5)
        found += same.any(1).tolist()
    return float(np.mean(found)) if found else 1.0


def _evenly(number: int, most: int) -> list[int]:
    return np.unique(np.linspace(0, number - 1, min(number, most)).round().astype(int)).tolist()


def _ground_truth(
    cfg: Config, inferencer: HOIInferencer, ann_file: str | Path | None, image_folder: str | Path
) -> Any | None:
    """The annotated images, None if there are none."""
    settings = cfg.get('val_dataloader') or {}
    own = deepcopy(settings.get('dataset')) if isinstance(settings, Mapping) else None
    if ann_file is not None:
        own = dict(
            type='HOIDataset',
            vocabulary=inferencer.vocabulary,
            ann_file=os.path.abspath(ann_file),
            data_prefix=dict(img=os.path.abspath(image_folder)),
            pair_index='drop_image',
            test_mode=True,
            pipeline=inference_pipeline(cfg.test_dataloader),
        )
    leaves = [leaf for _, leaf in dataset_leaves(own, 'dataset')]
    # A data set that renders its files is not asked to do it here.
    if not leaves or not all(
        Path(leaf.get('data_root') or '', leaf.get('ann_file') or '').is_file() for leaf in leaves
    ):
        if ann_file is not None:
            raise FileNotFoundError(f"The annotation file '{ann_file}' does not exist: check its path.")
        return None
    with quiet():
        dataset = DATASETS.build(own)
    difference = vocabulary_difference(inferencer.vocabulary, dataset.metainfo['vocabulary'])
    if difference:
        raise ValueError(f'The annotations are of other classes than the model (the model first): {difference}.')
    return dataset


def _mean_average_precision(cfg: Config, dataset: Any, samples: Sequence[HOIDataSample]) -> float:
    """The first figure of the metric of the config, in percent."""
    settings = cfg.get('val_evaluator')
    metrics = [
        METRICS.build(deepcopy(one)) for one in (settings if isinstance(settings, (list, tuple)) else [settings])
    ]
    metric = next((one for one in metrics if isinstance(one, HOIMetric)), None) or HICOMetric()
    metric.dataset_meta = dataset.metainfo
    metric.process(None, [sample.to_dict() for sample in samples])
    with quiet():
        values = metric.compute_metrics(metric.results)
    return 100 * values[metric.figures[0]]
