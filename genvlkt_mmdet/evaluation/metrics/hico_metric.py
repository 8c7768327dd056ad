"""HICO-DET's metric for the runner."""

from typing import Any

from mmdet.registry import METRICS
from mmengine.logging import print_log

from ...structures import Triplets
from ..evaluate import evaluate_triplets
from ..functional.hico import PROTOCOLS, Protocol
from ..reporting.tables import hico_table
from .hoi_metric import HOIMetric


@METRICS.register_module()
class HICOMetric(HOIMetric):
    """mAP over HOI classes, exactly as the official HICO-DET program computes it.

    Returns ``full`` and ``mean_max_recall``, in [0, 1]. If the vocabulary has rare classes, also ``rare`` and ``non_rare``.
    The same results of Known Object are ``known_object/...``. With a zero-shot split, there are ``unseen`` and ``seen``.
    Every dataset of triplets can use this metric, because the classes come from the dataset's vocabulary.

    Args:
        protocol (str): 'official', or 'qpic' for the Python evaluator that the authors' repositories run in training,
            see :func:`genvlkt_mmdet.evaluation.functional.evaluate_hico`.
        zero_shot (str, optional): Zero-shot split. Adds the mAP of its unseen and its seen classes. Default: the split
            of the dataset.
        classwise (bool): Also log the AP of every class. Default: False.
        **kwargs: Arguments of :class:`HOIMetric`.

    Attributes:
        summary (dict): Results of the last evaluation with per-class AP, see
            :func:`genvlkt_mmdet.evaluation.functional.summarize_hico`.

    Raises:
        ValueError: If the protocol is unknown.
    """

    default_prefix = 'hico'
    figures = ('full', 'rare', 'non_rare', 'mean_max_recall', 'unseen', 'seen')

    def __init__(
        self, protocol: Protocol = 'official', zero_shot: str | None = None, classwise: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        if protocol not in PROTOCOLS:
            raise ValueError(f"Unknown protocol '{protocol}': choose one of {', '.join(PROTOCOLS)}.")
        self.protocol = protocol
        self.zero_shot = zero_shot
        self.classwise = classwise
        self.summary: dict = {}

    @property
    def dataset_meta(self) -> dict | None:
        """dict: Metainfo of the dataset. It is set before the first image, and so is the split checked."""
        return self._dataset_meta

    @dataset_meta.setter
    def dataset_meta(self, meta: dict) -> None:
        self._dataset_meta = meta
        if self.zero_shot:
            self.vocabulary.unseen(self.zero_shot)

    def evaluate_images(self, entries: list[dict]) -> dict[str, float]:
        """Evaluates images, see :meth:`HOIMetric.evaluate_images`."""
        vocabulary = self.vocabulary
        split = self.zero_shot or (self.dataset_meta or {}).get('zero_shot')
        dets, gts = Triplets.join([entry['det'] for entry in entries]), [entry['gt'] for entry in entries]
        self.summary = evaluate_triplets(dets, gts, vocabulary, split, self.protocol)
        phrases = [vocabulary.phrase(i) for i in range(vocabulary.num_hois)]
        print_log('\n' + hico_table(self.summary, split, phrases if self.classwise else None), logger='current')
        values = {name: self.summary['default'].get(name) for name in self.figures}
        values |= {f'known_object/{name}': self.summary['known_object'].get(name) for name in self.figures}
        values |= {name: self.summary.get('zero_shot', {}).get(name) for name in ('unseen', 'seen')}
        return {name: value for name, value in values.items() if value is not None}
