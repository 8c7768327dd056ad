"""Reports classes of an open vocabulary without detections above the threshold."""

import logging
from collections.abc import Iterable, Iterator, Sequence

from mmengine.logging import print_log

from ..structures import HOIDataSample
from ..vocabulary import HOIReading

_MOST_NAMED = 10


class NewClassScores:
    """Highest score of each class of an open vocabulary over the images of a call.

    Args:
        readings (Sequence[HOIReading]): The classes, in their order. Empty if the vocabulary is that of the training.
    """

    def __init__(self, readings: Sequence[HOIReading]) -> None:
        self.readings = readings
        self.best: dict[int, float] = {}
        self.num_images = 0

    def watch(self, samples: Iterable[HOIDataSample]) -> Iterator[HOIDataSample]:
        """Records the scores of samples before the threshold is applied, and yields the samples."""
        for sample in samples:
            self.num_images += 1
            if self.readings:
                hois = sample.pred_hois
                for label, score in zip(hois.hoi_labels.tolist(), hois.scores.tolist(), strict=True):
                    self.best[label] = max(score, self.best.get(label, score))
            yield sample

    def hint(self, threshold: float) -> str | None:
        """Message that lists the new classes without a score above a threshold in [0, 2]. None if there are none, or no image."""
        below = {
            label: self.best.get(label)
            for label, reading in enumerate(self.readings)
            if not reading.known and (label not in self.best or self.best[label] <= threshold)
        }
        if not below or not self.num_images:
            return None
        ordered = sorted(below, key=lambda label: -(below[label] or 0))
        names = [self._describe(label, below[label]) for label in ordered[:_MOST_NAMED]]
        more = f', and {len(ordered) - _MOST_NAMED} more' if len(ordered) > _MOST_NAMED else ''
        return (
            f'Nothing scores above {threshold:g} for {len(below)} of the phrases that are new to the model: '
            f'{", ".join(names)}{more}. Classes that were not trained often score lower: set a lower threshold '
            '(pred_score_thr, --score-thr).'
        )

    def log(self, threshold: float) -> None:
        """Logs the message of :meth:`hint`, if any."""
        message = self.hint(threshold)
        if message is not None:
            print_log(message, logger='current', level=logging.WARNING)

    def _describe(self, label: int, score: float | None) -> str:
        reading = self.readings[label]
        name = f"'{reading.verb}" + (f', {reading.obj}' if reading.obj else '') + "'"
        return f'{name} ({"not among the best triplets" if score is None else f"best {score:.2f}"})'
