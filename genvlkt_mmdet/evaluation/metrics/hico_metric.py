"""HICO-DET's metric for the runner."""

from typing import Any

from mmdet.registry import METRICS
from mmengine.logging import print_log

from ...structures import Triplets
from ..evaluate import report_triplets
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
        zero_shot (str, optional): Zero-shot split whose unseen and seen classes are reported; the dataset's own by
            default.
        classwise (bool): Log the AP of every class as well.
        **kwargs: Arguments of :class:`HOIMetric`.

    Attributes:
        report (dict): The last evaluation in full, with per-class AP; see
            :func:`genvlkt_mmdet.evaluation.functional.hico_report`.

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
        self.report: dict = {}

    def evaluate_images(self, entries: list[dict]) -> dict[str, float]:
        """Evaluates images in their final order.

        Args:
            entries (list[dict]): Per image ``det`` (:class:`Triplets`) and ``gt`` (:class:`GroundTruth`).

        Returns:
            dict[str, float]: The figures, in [0, 1].
        """
        vocabulary = self.vocabulary
        split = self.zero_shot or (self.dataset_meta or {}).get('zero_shot')
        self.report = report_triplets(
            Triplets.join([entry['det'] for entry in entries]),
            [entry['gt'] for entry in entries],
            vocabulary,
            split,
            self.protocol,
        )
        phrases = [vocabulary.phrase(i) for i in range(vocabulary.num_hois)]
        print_log('\n' + hico_table(self.report, split, phrases if self.classwise else None), logger='current')
        return _figures(self.report)


def _figures(report: dict[str, dict]) -> dict[str, float]:
    """The scalars of a report under flat names."""
    flat = {}
    for mode, start in (('default', ''), ('known_object', 'known_object/')):
        for key in HICOMetric.figures:
            if report[mode].get(key) is not None:
                flat[start + key] = report[mode][key]
    for key in ('unseen', 'seen'):
        if report.get('zero_shot', {}).get(key) is not None:
            flat[key] = report['zero_shot'][key]
    return flat
