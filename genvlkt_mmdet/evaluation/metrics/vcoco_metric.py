"""V-COCO's metric for the runner."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from mmdet.registry import METRICS
from mmengine.logging import print_log

from ...structures import Triplets
from ..evaluate import evaluate_roles
from ..functional import equal_rows
from ..reporting.tables import vcoco_table
from .hoi_metric import HOIMetric


@METRICS.register_module()
class VCOCOMetric(HOIMetric):
    """Role and agent AP, exactly as the official ``vsrl_eval.py`` computes them.

    An HOI class counts as its verb, which is an (action, role) class. A pair's score for a verb is the highest score of its
    classes. Returns ``scenario_1/mean_24`` (as in papers), ``scenario_1/mean_25`` (with ``point_instr``, as ``vsrl_eval.py``
    prints it), the same of ``scenario_2``, and ``agent/mean``, all in [0, 1].

    Args:
        classwise (bool): Also log the AP of every role and action. Default: False.
        **kwargs: Arguments of :class:`HOIMetric`.

    Attributes:
        summary (dict): Results of the last evaluation with the AP of each role and action, see
            :func:`genvlkt_mmdet.evaluation.functional.summarize_vcoco`.
    """

    default_prefix = 'vcoco'
    figures = ('scenario_1/mean_24', 'scenario_1/mean_25', 'scenario_2/mean_24', 'scenario_2/mean_25', 'agent/mean')

    def __init__(self, classwise: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.classwise = classwise
        self.summary: dict = {}

    def make_detections(self, pred: Mapping[str, np.ndarray]) -> Triplets:
        """Converts the predictions of an image, sorted by score, to one triplet per pair of boxes and verb."""
        verbs = np.asarray(self.vocabulary.hoi_verbs)[np.asarray(pred['hoi_labels'], dtype=np.int64)]
        dets = super().make_detections({**pred, 'hoi_labels': verbs})
        return dets[equal_rows(*dets.human_boxes.T, *dets.object_boxes.T, verbs)[0]]

    def evaluate_images(self, entries: list[dict]) -> dict[str, float]:
        """Evaluates images, see :meth:`HOIMetric.evaluate_images`. The ground truth needs persons."""
        dets, gts = Triplets.join([entry['det'] for entry in entries]), [entry['gt'] for entry in entries]
        self.summary = evaluate_roles(dets, gts, self.vocabulary)
        print_log('\n' + vcoco_table(self.summary, self.classwise), logger='current')
        values = {name: self.summary[name.split('/')[0]][name.split('/')[1]] for name in self.figures}
        return {name: value for name, value in values.items() if value is not None}
