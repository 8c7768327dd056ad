"""HICO-DET's metric for the runner."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from mmdet.registry import METRICS
from mmengine.logging import print_log
from terminaltables import AsciiTable

from ..functional import Triplets, hico_report
from ..functional.hico import PROTOCOLS
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

    def __init__(
        self, protocol: str = 'official', zero_shot: str | None = None, classwise: bool = False, **kwargs: Any
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
            entries (list[dict]): Per image ``det`` and ``gt``, the latter with ``human_boxes``, ``object_boxes``,
                ``hoi_labels`` and, where the dataset has more image-level labels than boxes, ``image_hois``.

        Returns:
            dict[str, float]: The figures, in [0, 1].
        """
        vocabulary = self.vocabulary
        split = self.zero_shot or (self.dataset_meta or {}).get('zero_shot')
        image_hois = [entry['gt'].get('image_hois', entry['gt']['hoi_labels']) for entry in entries]
        self.report = hico_report(
            Triplets.from_images([entry['det'] for entry in entries]),
            Triplets.from_images([entry['gt'] for entry in entries], label_key='hoi_labels'),
            len(entries),
            vocabulary.hoi_objects,
            vocabulary.num_objects,
            vocabulary.rare,
            vocabulary.unseen(split) if split else None,
            self.protocol,
            (
                np.repeat(np.arange(len(entries)), [len(hois) for hois in image_hois]),
                np.concatenate(image_hois).astype(np.int64) if image_hois else np.zeros(0, np.int64),
            ),
        )
        phrases = [vocabulary.phrase(i) for i in range(vocabulary.num_hois)]
        print_log('\n' + hico_table(self.report, split, phrases if self.classwise else None), logger='current')
        return _figures(self.report)


def hico_table(report: dict[str, dict], zero_shot: str | None = None, phrases: Sequence[str] | None = None) -> str:
    """A report as a table to read, in percent.

    Args:
        report (dict): Of :func:`genvlkt_mmdet.evaluation.functional.hico_report`.
        zero_shot (str, optional): Name of the zero-shot split that the report has.
        phrases (Sequence[str], optional): Phrases of the classes; adds a table of every class.

    Returns:
        str: The table.
    """
    columns = [key for key in ('full', 'rare', 'non_rare', 'mean_max_recall') if key in report['default']]
    names = dict(full='Full', rare='Rare', non_rare='Non-rare', mean_max_recall='mean max recall')
    rows = [['mAP (%)', *(names[key] for key in columns)]]
    for mode, title in (('default', 'Default'), ('known_object', 'Known Object')):
        rows.append([title, *(_percent(report[mode][key]) for key in columns)])
    tables = [AsciiTable(rows).table]
    if 'zero_shot' in report:
        figures = report['zero_shot']
        rows = [[f'zero-shot {zero_shot or ""}'.strip(), 'Unseen', 'Seen', 'Full']]
        rows.append(['Default', *(_percent(figures[key]) for key in ('unseen', 'seen', 'full'))])
        tables.append(AsciiTable(rows).table)
    if phrases is not None:
        modes = report['default'], report['known_object']
        rows = [['class', 'instances', 'Default', 'Known Object']]
        for i, phrase in enumerate(phrases):
            rows.append([phrase, str(modes[0]['num_gt'][i]), *(_percent(mode['ap'][i]) for mode in modes)])
        tables.append(AsciiTable(rows).table)
    return '\n'.join(tables)


def _percent(value: float | None) -> str:
    return '-' if value is None else f'{100 * value:.2f}'


def _figures(report: dict[str, dict]) -> dict[str, float]:
    """The scalars of a report under flat names."""
    flat = {}
    for mode, start in (('default', ''), ('known_object', 'known_object/')):
        for key in ('full', 'rare', 'non_rare', 'mean_max_recall'):
            if report[mode].get(key) is not None:
                flat[start + key] = report[mode][key]
    for key in ('unseen', 'seen'):
        if report.get('zero_shot', {}).get(key) is not None:
            flat[key] = report['zero_shot'][key]
    return flat
