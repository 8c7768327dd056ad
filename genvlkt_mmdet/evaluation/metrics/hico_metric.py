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

    Returns, in [0, 1], ``full``, ``mean_max_recall``, where the vocabulary names rare classes ``rare`` and
    ``non_rare``, the same of Known Object as ``known_object/...``, and with a zero-shot split ``unseen`` and ``seen``.
    The class counts come from the dataset's vocabulary, so every dataset of triplets can use it.

    Args:
        protocol (str): 'official', or 'qpic' for the Python evaluator that the authors' repositories run in training;
            see :func:`genvlkt_mmdet.evaluation.functional.evaluate_hico`.
        zero_shot (str, optional): Zero-shot split; adds the mAP of its unseen and its seen classes. Default: the
            split of the dataset.
        classwise (bool): Also log the AP of every class. Default: False.
        **kwargs: Arguments of :class:`HOIMetric`.

    Attributes:
        summary (dict): All numbers of the last evaluation, with per-class AP; see
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

    def evaluate_images(self, entries: list[dict]) -> dict[str, float]:
        """Evaluates images in their final order.

        Args:
            entries (list[dict]): Per image ``det`` (:class:`Triplets`) and ``gt`` (:class:`GroundTruth`).

        Returns:
            dict[str, float]: Number by name, in [0, 1].
        """
        vocabulary = self.vocabulary
        split = self.zero_shot or (self.dataset_meta or {}).get('zero_shot')
        self.summary = evaluate_triplets(
            Triplets.join([entry['det'] for entry in entries]),
            [entry['gt'] for entry in entries],
            vocabulary,
            split,
            self.protocol,
        )
        phrases = [vocabulary.phrase(i) for i in range(vocabulary.num_hois)]
        print_log('\n' + hico_table(self.summary, split, phrases if self.classwise else None), logger='current')
        return _figures(self.summary)


def _figures(summary: dict[str, dict]) -> dict[str, float]:
    """Flattens the mean values to one dictionary."""
    flat = {}
    for mode, start in (('default', ''), ('known_object', 'known_object/')):
        for key in HICOMetric.figures:
            if summary[mode].get(key) is not None:
                flat[start + key] = summary[mode][key]
    for key in ('unseen', 'seen'):
        if summary.get('zero_shot', {}).get(key) is not None:
            flat[key] = summary['zero_shot'][key]
    return flat
