"""Results of the ablation study, in a CSV file with one line per run."""

import csv
import io
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from ...files import write_file

FIGURES = ('full', 'rare', 'non_rare', 'unseen', 'seen', 'phrases_unseen')


@dataclass(frozen=True)
class Result:
    """Result of a run. All mAPs are of the test split and in [0, 1].

    Attributes:
        config (str): Config below ``configs/``.
        seed (int): Seed of the training.
        digest (str): Digest of the settings, see :func:`.runs.digest`.
        images (int): Number of images in training.
        full (float): mAP of all classes.
        rare (float): mAP of the rare classes.
        non_rare (float): mAP of the other classes.
        unseen (float | None): mAP of the unseen classes. None without zero-shot split.
        seen (float | None): mAP of the seen classes. None without zero-shot split.
        phrases_unseen (float | None): mAP of the unseen classes if they are phrases at inference only. None if not measured.
        minutes (float): Minutes of training and evaluation.
        date (str): Day of the run.
        ap (tuple[float, ...]): AP of each class.
    """

    config: str
    seed: int
    digest: str
    images: int
    full: float
    rare: float
    non_rare: float
    unseen: float | None
    seen: float | None
    phrases_unseen: float | None
    minutes: float
    date: str
    ap: tuple[float, ...]

    @property
    def key(self) -> tuple[str, int]:
        """Config and seed."""
        return self.config, self.seed

    def to_row(self) -> dict[str, str]:
        """Converts the result to a line of the CSV file: column to text."""
        row = {name: '' if value is None else str(value) for name, value in asdict(self).items()}
        row.update({name: f'{getattr(self, name):.6f}' for name in FIGURES if getattr(self, name) is not None})
        return row | dict(ap=' '.join(f'{value:.4f}' for value in self.ap))

    @classmethod
    def from_row(cls, row: Mapping[str, str | None]) -> 'Result':
        """Converts a line of the CSV file. Raises ValueError if it is incomplete."""
        if any(row.get(field.name) is None for field in fields(cls)):
            raise ValueError('columns are missing')
        values = dict(row)
        values.update({name: float(row[name]) if row[name] else None for name in FIGURES})
        values.update(seed=int(row['seed']), images=int(row['images']), minutes=float(row['minutes']))
        return cls(**values | dict(ap=tuple(float(value) for value in row['ap'].split())))


def read_results(path: Path) -> list[Result]:
    """Reads the results. A missing file has none. Incomplete lines are left out with a warning."""
    if not path.is_file():
        return []
    results = []
    with path.open(newline='', encoding='utf-8') as file:
        for number, row in enumerate(csv.DictReader(file), start=2):
            try:
                results.append(Result.from_row(row))
            except ValueError as error:
                warnings.warn(f'{path}, line {number} is incomplete ({error}): it counts as not run.', stacklevel=2)
    return results


def write_results(path: Path, results: Iterable[Result]) -> None:
    """Writes all results. Of several with the same config and seed, the last one is kept."""
    latest = {result.key: result for result in results}
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=[field.name for field in fields(Result)], lineterminator='\n')
    writer.writeheader()
    writer.writerows(latest[key].to_row() for key in sorted(latest))
    write_file(path, text.getvalue().encode())
