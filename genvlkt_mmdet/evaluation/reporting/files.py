"""The report of an evaluation: a folder with a CSV file, one row per class, and an image."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ...files import write_file
from ...plotting import BLUE, ORANGE, VERMILION, new_figure, save_figure
from ...vocabulary import HOIVocabulary
from ..evaluate import rare_classes
from .tables import percent


def write_report(
    folder: str | Path,
    summary: dict[str, Any],
    vocabulary: HOIVocabulary,
    train_counts: np.ndarray | None = None,
    zero_shot: str | None = None,
) -> list[Path]:
    """Writes the report of an evaluation, ``classes.csv`` and ``classes.png``.

    Args:
        folder (str | Path): Folder for the files; created if missing.
        summary (dict): Result of :func:`genvlkt_mmdet.evaluation.evaluate_detections`.
        vocabulary (HOIVocabulary): Vocabulary of the dataset.
        train_counts (np.ndarray, optional): (A,) training instances of each class. The image shows AP against them,
            or, if None, against the instances of the evaluated split.
        zero_shot (str, optional): Zero-shot split whose unseen classes are marked in both files.

    Returns:
        list[Path]: The two files.
    """
    if 'agent' in summary:
        rows = _vcoco_rows(summary)
        figure = _role_figure(rows)
    else:
        rows = _hico_rows(summary, vocabulary, train_counts, zero_shot)
        count_key = 'train_instances' if train_counts is not None else 'test_instances'
        figure = _class_figure(rows, summary['default']['full'], count_key)
    text = io.StringIO(newline='')
    writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator='\n')
    writer.writeheader()
    writer.writerows(rows)
    table, image = Path(folder) / 'classes.csv', Path(folder) / 'classes.png'
    write_file(table, text.getvalue().encode())
    save_figure(figure, image)
    return [table, image]


def _hico_rows(
    summary: dict, vocabulary: HOIVocabulary, train_counts: np.ndarray | None, zero_shot: str | None
) -> list[dict[str, Any]]:
    rare = set(np.asarray(rare_classes(vocabulary, train_counts)[0]).tolist())
    unseen = set(vocabulary.unseen(zero_shot))
    return [
        dict(
            index=i,
            id=vocabulary.hoi_ids[i],
            phrase=vocabulary.phrase(i),
            rare=int(i in rare) if rare else '',
            unseen=int(i in unseen) if unseen else '',
            train_instances='' if train_counts is None else int(train_counts[i]),
            test_instances=summary['default']['num_gt'][i],
            ap_default=summary['default']['ap'][i],
            ap_known_object=summary['known_object']['ap'][i],
        )
        for i in range(vocabulary.num_hois)
    ]


def _vcoco_rows(summary: dict) -> list[dict[str, Any]]:
    scenarios = summary['scenario_1']['ap'], summary['scenario_2']['ap']
    rows = [dict(kind='role', name=k, ap_scenario_1=v, ap_scenario_2=scenarios[1][k]) for k, v in scenarios[0].items()]
    agents = summary['agent']['ap'].items()
    return rows + [dict(kind='agent', name=k, ap_scenario_1=v, ap_scenario_2=v) for k, v in agents]


def _class_figure(rows: Sequence[dict], full: float | None, count_key: str) -> Any:
    """Left: classes, sorted by AP. Right: AP against number of instances. Rare and unseen classes are marked."""
    figure, (left, right) = _axes(2)
    order = sorted((row for row in rows if row['ap_default'] is not None), key=lambda row: -row['ap_default'])
    values = np.array([100 * row['ap_default'] for row in order])
    # The axis is logarithmic, so no instance is drawn as half an instance.
    counts = np.maximum([float(row[count_key]) for row in order], 0.5)
    rare, unseen = (np.array([row[key] == 1 for row in order], dtype=bool) for key in ('rare', 'unseen'))
    names = ('rare', 'non-rare') if rare.any() else ('', 'classes')
    for group, name, colour in ((~rare, names[1], BLUE), (rare, names[0], ORANGE)):
        if group.any():
            label = f'{name} ({group.sum()}), mean {values[group].mean():.2f}'
            left.bar(np.flatnonzero(group), values[group], width=1.0, color=colour, label=label)
        for part, marker, face in ((group & ~unseen, 'o', colour), (group & unseen, 's', 'none')):
            if part.any():
                label = f'{name}, unseen' if marker == 's' else name
                right.scatter(counts[part], values[part], s=16, marker=marker, c=face, edgecolors=colour, label=label)
    if unseen.any():
        label = f'unseen ({unseen.sum()}), mean {values[unseen].mean():.2f}'
        left.vlines(np.flatnonzero(unseen), -6, -2, color=VERMILION, linewidth=0.9, label=label)
    left.set(xlabel='classes, best first', ylabel='AP, Default (%)', ylim=(-8 if unseen.any() else 0, 102))
    left.set_title(f'AP by class: Full {percent(full)}', loc='left')
    left.legend(frameon=False)
    which = 'training' if count_key == 'train_instances' else 'test'
    right.set_xscale('log')
    right.xaxis.set_major_formatter(lambda value, _: f'{value:g}')
    right.set(xlabel=f'{which} instances of the class', ylabel='AP, Default (%)', ylim=(-2, 102))
    right.set_title(f'AP against the number of {which} instances', loc='left')
    if count_key == 'train_instances' and rare.any():
        right.axvline(9.5, color='0.4', linewidth=0.8, linestyle=':', label='rare: fewer than 10')
    right.legend(frameon=True, framealpha=0.85, edgecolor='none', fontsize=8)
    return figure


def _role_figure(rows: Sequence[dict]) -> Any:
    figure, axes = _axes(2)
    for axis, kind, title in zip(axes, ('role', 'agent'), ('Role AP', 'Agent AP'), strict=True):
        part = [row for row in rows if row['kind'] == kind and row['ap_scenario_1'] is not None]
        part.sort(key=lambda row: row['ap_scenario_1'])
        places = np.arange(len(part))
        if kind == 'role':
            axis.barh(places + 0.2, [100 * r['ap_scenario_2'] for r in part], 0.4, color=ORANGE, label='Scenario 2')
            axis.barh(places - 0.2, [100 * r['ap_scenario_1'] for r in part], 0.4, color=BLUE, label='Scenario 1')
            axis.legend(frameon=False, loc='lower right')
        else:
            axis.barh(places, [100 * row['ap_scenario_1'] for row in part], 0.7, color=BLUE)
        axis.set_yticks(places, [row['name'] for row in part], fontsize=7)
        axis.set(xlabel='AP (%)', xlim=(0, 102))
        axis.set_title(title, loc='left')
    return figure


def _axes(number: int) -> tuple[Any, Any]:
    figure = new_figure(6.4 * number, 4.6)
    axes = figure.subplots(1, number)
    for axis in axes:
        axis.spines[['top', 'right']].set_visible(False)
        axis.grid(color='0.9', linewidth=0.6)
        axis.set_axisbelow(True)
    return figure, axes
