"""Base class of the HOI metrics."""

import sys
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any, Literal

import numpy as np
from mmengine.evaluator import BaseMetric
from mmengine.logging import print_log

from ...structures import GroundTruth, Triplets
from ...vocabulary import HOIVocabulary, load_vocabulary
from ..io import write_results


class HOIMetric(BaseMetric):
    """Collects predictions and ground truth of all images. Subclasses evaluate them in :meth:`evaluate_images`.

    The results do not depend on the number of processes or on the order of images. The images of all processes are joined
    and sorted by ``img_id``, and an image that the sampler repeats counts once. An image is identified by ``img_id`` and
    ``img_path`` together, so several annotation files may use the same ids.

    Args:
        max_per_image (int, optional): Maximum number of triplets per image, highest score first. None: no limit. Default:
            100, as in papers.
        outfile_prefix (str, optional): Writes the detections to ``<outfile_prefix>.results.json``, the file that
            ``genvlkt eval`` reads.
        outfile_format (str): 'json', or 'npz' for ``<outfile_prefix>.results.npz``, which is smaller and faster to read, see
            :func:`genvlkt_mmdet.evaluation.io.write_results`. Default: 'json'.
        **kwargs: ``collect_device``, ``prefix`` and ``collect_dir`` of :class:`mmengine.evaluator.BaseMetric`.

    Attributes:
        figures (tuple[str, ...]): Names of the returned numbers, the most important one first. Higher is better for all.

    Raises:
        ValueError: If ``outfile_format`` is unknown.
    """

    figures: tuple[str, ...]

    def __init__(
        self,
        max_per_image: int | None = 100,
        outfile_prefix: str | None = None,
        outfile_format: Literal['json', 'npz'] = 'json',
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if outfile_format not in ('json', 'npz'):
            raise ValueError(f"{type(self).__name__}: outfile_format must be 'json' or 'npz', not {outfile_format!r}.")
        self.max_per_image = max_per_image
        self.outfile_prefix = outfile_prefix
        self.outfile_format = outfile_format
        self._size: int | None = None

    @property
    def vocabulary(self) -> HOIVocabulary:
        """HOIVocabulary: The vocabulary of the dataset."""
        source = (self.dataset_meta or {}).get('vocabulary')
        if source is None:
            raise ValueError(
                f"{type(self).__name__} needs `vocabulary` in the dataset's metainfo: use one of the HOI datasets."
            )
        return load_vocabulary(source)

    def process(self, data_batch: Any, data_samples: Sequence[Mapping]) -> None:
        """Stores predictions and ground truth of each image.

        Args:
            data_batch (Any): Not used.
            data_samples (Sequence[Mapping]): ``pred_hois``, ``eval_gt`` (:class:`GroundTruth`), ``img_id`` and ``img_path``
                of each image.

        Raises:
            ValueError: If a sample has no ground truth, or a score or human box (also of the ground truth) is NaN or
                infinite.
        """
        for sample in data_samples:
            if 'eval_gt' not in sample:
                raise ValueError(
                    f"Image '{sample.get('img_path')}' has no `eval_gt`: evaluate a dataset in test mode and keep "
                    "'eval_gt' in the `meta_keys` of PackHOIInputs."
                )
            pred = {key: _numpy(value) for key, value in sample['pred_hois'].items()}
            best = np.argsort(-pred['scores'], kind='stable')[: self.max_per_image]
            pred = {key: value[best] for key, value in pred.items()}
            if not (np.isfinite(pred['scores']).all() and np.isfinite(pred['human_boxes']).all()):
                raise ValueError(
                    f"The prediction for image '{sample.get('img_path')}' holds NaN or infinity: the model has "
                    'diverged, or its checkpoint is broken.'
                )
            gt: GroundTruth = sample['eval_gt']
            boxes = [gt.triplets.human_boxes] + ([gt.persons.boxes] if gt.persons is not None else [])
            if not all(np.isfinite(part).all() for part in boxes):
                raise ValueError(f"The ground truth of image '{sample.get('img_path')}' holds NaN or infinity.")
            head = dict(img_id=sample['img_id'], img_path=str(sample['img_path']))
            self.results.append(dict(head, det=self.make_detections(pred), gt=gt))

    def make_detections(self, pred: Mapping[str, np.ndarray]) -> Any:
        """Converts the best predictions of an image, as in ``HOIDataSample.pred_hois``, to 32-bit triplets."""
        return Triplets.of_image(
            pred['human_boxes'].astype(np.float32),
            pred['object_boxes'].astype(np.float32),
            pred['hoi_labels'].astype(np.int32),
            pred['scores'].astype(np.float32),
        )

    def evaluate(self, size: int) -> dict[str, float]:
        """Evaluates the images of all processes. ``size`` is the number of images of the dataset."""
        self._size = size
        # mmengine would cut the joined list to the size of the dataset, which is right only if the sampler distributes the
        # images in turn. `compute_metrics` finds repeated images by their id instead.
        return super().evaluate(sys.maxsize)

    def compute_metrics(self, results: list[dict]) -> dict[str, float]:
        """Evaluates the joined results of :meth:`process` from all processes.

        Raises:
            ValueError: If the number of images differs from that of the dataset.
        """
        images: dict[tuple, dict] = {}
        for entry in results:
            images.setdefault((entry['img_id'], entry['img_path']), entry)
        # Joined datasets may have numbers and texts as ids.
        entries = [images[key] for key in sorted(images, key=lambda key: (type(key[0]).__name__, *key))]
        if self.outfile_prefix is not None:
            path = f'{self.outfile_prefix}.results.{self.outfile_format}'
            names = [PurePath(entry['img_path']).name for entry in entries]
            if len(set(names)) < len(names):
                names = [entry['img_path'] for entry in entries]
            write_results(path, [dict(vars(entry['det']), file_name=n) for entry, n in zip(entries, names)])
            print_log(f'Detections are in {path}.', logger='current')
        if self._size is not None and len(entries) != self._size:
            raise ValueError(
                f'{type(self).__name__} has seen {len(entries)} different images, but the dataset has {self._size}: '
                'either an image (the same `img_id` and file) occurs in it several times, or the sampler leaves images '
                'out. `genvlkt data check` finds repeated images in an annotation file.'
            )
        return self.evaluate_images(entries)

    @abstractmethod
    def evaluate_images(self, entries: list[dict]) -> dict[str, float]:
        """Evaluates images, sorted by ``img_id``, and returns numbers by name.

        Args:
            entries (list[dict]): ``det`` (:class:`Triplets`) and ``gt`` (:class:`GroundTruth`) of each image.
        """


def _numpy(value: Any) -> np.ndarray:
    return value.detach().cpu().numpy() if hasattr(value, 'detach') else np.asarray(value)
