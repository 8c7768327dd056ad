"""The finished runs of the ablation study: one line of a CSV file each."""

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
    """A finished run: its identity and its figures.

    Attributes:
        config (str): Config below ``configs/``.
        seed (int): Seed of the training.
        digest (str): Digest of the settings that decide the figures; a different digest means a different experiment.
        images (int): Images seen in training.
        full (float): mAP of all classes on the test split. All figures are in [0, 1].
        rare (float): mAP of the rare classes.
        non_rare (float): mAP of the other classes.
        unseen (float | None): mAP of the unseen classes; None without zero-shot split.
        seen (float | None): mAP of the seen classes; None without zero-shot split.
        phrases_unseen (float | None): mAP of the unseen classes if the model gets them as phrases at inference only;
            None if it was not measured.
        minutes (float): Minutes of the run, its evaluation included.
        date (str): Day of the run.
        ap (tuple[float, ...]): AP of every class.
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
        """tuple[str, int]: Config and seed."""
        return self.config, self.seed

    def to_row(self) -> dict[str, str]:
        """Returns the line of the CSV file as column to text."""
        row = {name: '' if value is None else str(value) for name, value in asdict(self).items()}
        row.update({name: f'{getattr(self, name):.6f}' for name in FIGURES if getattr(self, name) is not None})
        return row | dict(ap=' '.join(f'{value:.4f}' for value in self.ap))

    @classmethod
    def from_row(cls, row: Mapping[str, str | None]) -> 'Result':
        """Reads a line of the CSV file.

        Args:
            row (Mapping[str, str]): Column to text.

        Returns:
            Result: The result.

        Raises:
            ValueError: If the line is incomplete.
        """
        if any(row.get(field.name) is None for field in fields(cls)):
            raise ValueError('columns are missing')
        values = dict(row)
        values.update({name: float(row[name]) if row[name] else None for name in FIGURES})
        values.update(seed=int(row['seed']), images=int(row['images']), minutes=float(row['minutes']))
        return cls(**values | dict(ap=tuple(float(value) for value in row['ap'].split())))


def read_results(path: Path) -> list[Result]:
    """Reads the finished runs.

    Args:
        path (Path): The CSV file; it need not exist.

    Returns:
        list[Result]: The runs. An incomplete line is left out with a warning.
    """
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
    """Writes all finished runs.

    Args:
        path (Path): The CSV file.
        results (Iterable[Result]): The runs. If several have the same config and seed, the last one is kept.
    """
    latest = {result.key: result for result in results}
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=[field.name for field in fields(Result)], lineterminator='\n')
    writer.writeheader()
    writer.writerows(latest[key].to_row() for key in sorted(latest))
    write_file(path, text.getvalue().encode())
