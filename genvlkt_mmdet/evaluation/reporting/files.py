"""The report of an evaluation: one CSV row per class, and a picture."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ...files import new_file, write_file
from ...vocabulary import HOIVocabulary
from ..evaluate import rare_classes

# Okabe and Ito's palette: readable with every kind of colour vision
_BLUE, _ORANGE, _RED = '#0072B2', '#E69F00', '#D55E00'


def write_report(
    folder: str | Path,
    report: dict[str, Any],
    vocabulary: HOIVocabulary,
    train_counts: np.ndarray | None = None,
    zero_shot: str | None = None,
) -> list[Path]:
    """Writes ``classes.csv`` and ``classes.png``.

    Args:
        folder (str | Path): The folder; it is made.
        report (dict): Of :func:`genvlkt_mmdet.evaluation.evaluate_detections`.
        vocabulary (HOIVocabulary): Vocabulary of the dataset.
        train_counts (np.ndarray, optional): (A,) training instances of each class; without them the picture shows AP
            against the number of instances of the evaluated split.
        zero_shot (str, optional): Zero-shot split whose unseen classes are marked.

    Returns:
        list[Path]: The two files.
    """
    folder = Path(folder)
    rows = _vcoco_rows(report) if 'agent' in report else _hico_rows(report, vocabulary, train_counts, zero_shot)
    table = folder / 'classes.csv'
    text = io.StringIO(newline='')
    writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator='\n')
    writer.writeheader()
    writer.writerows(rows)
    write_file(table, text.getvalue().encode())
    picture = folder / 'classes.png'
    if 'agent' in report:
        _draw_roles(picture, rows)
    else:
        _draw_classes(picture, rows, report, 'train_instances' if train_counts is not None else 'test_instances')
    return [table, picture]


def _hico_rows(
    report: dict, vocabulary: HOIVocabulary, train_counts: np.ndarray | None, zero_shot: str | None
) -> list[dict[str, Any]]:
    rare = set(np.asarray(rare_classes(vocabulary, train_counts)[0]).tolist())
    unseen = set(vocabulary.unseen(zero_shot))
    rows = []
    for i in range(vocabulary.num_hois):
        rows.append(
            dict(
                index=i,
                id=vocabulary.hoi_ids[i],
                phrase=vocabulary.phrase(i),
                rare=int(i in rare) if rare else '',
                unseen=int(i in unseen) if unseen else '',
                train_instances='' if train_counts is None else int(train_counts[i]),
                test_instances=report['default']['num_gt'][i],
                ap_default=report['default']['ap'][i],
                ap_known_object=report['known_object']['ap'][i],
            )
        )
    return rows


def _vcoco_rows(report: dict) -> list[dict[str, Any]]:
    scenarios = report['scenario_1']['ap'], report['scenario_2']['ap']
    rows = [dict(kind='role', name=k, ap_scenario_1=v, ap_scenario_2=scenarios[1][k]) for k, v in scenarios[0].items()]
    agents = report['agent']['ap'].items()
    return rows + [dict(kind='agent', name=k, ap_scenario_1=v, ap_scenario_2=v) for k, v in agents]


def _draw_classes(path: Path, rows: Sequence[dict], report: dict, count_key: str) -> None:
    """Left the classes from best to worst, right their AP against their instances; colour rare, marker unseen."""
    figure, (left, right) = _axes(2)
    order = sorted((row for row in rows if row['ap_default'] is not None), key=lambda row: -row['ap_default'])
    values = np.array([100 * row['ap_default'] for row in order])
    # half an instance stands for none on a logarithmic axis
    counts = np.maximum([float(row[count_key]) for row in order], 0.5)
    rare, unseen = (np.array([row[key] == 1 for row in order], dtype=bool) for key in ('rare', 'unseen'))
    names = ('rare', 'non-rare') if rare.any() else ('', 'classes')
    for group, name, colour in ((~rare, names[1], _BLUE), (rare, names[0], _ORANGE)):
        if group.any():
            label = f'{name} ({group.sum()}), mean {values[group].mean():.2f}'
            left.bar(np.flatnonzero(group), values[group], width=1.0, color=colour, label=label)
        for part, marker, face in ((group & ~unseen, 'o', colour), (group & unseen, 's', 'none')):
            if part.any():
                label = f'{name}, unseen' if marker == 's' else name
                right.scatter(counts[part], values[part], s=16, marker=marker, c=face, edgecolors=colour, label=label)
    if unseen.any():
        label = f'unseen ({unseen.sum()}), mean {values[unseen].mean():.2f}'
        left.vlines(np.flatnonzero(unseen), -6, -2, color=_RED, linewidth=0.9, label=label)
    left.set(xlabel='classes, best first', ylabel='AP, Default (%)', ylim=(-8 if unseen.any() else 0, 102))
    left.set_title(f'AP by class: Full {100 * report["default"]["full"]:.2f}', loc='left')
    left.legend(frameon=False)
    which = 'training' if count_key == 'train_instances' else 'test'
    right.set_xscale('log')
    right.xaxis.set_major_formatter(lambda value, _: f'{value:g}')
    right.set(xlabel=f'{which} instances of the class', ylabel='AP, Default (%)', ylim=(-2, 102))
    right.set_title(f'AP against the number of {which} instances', loc='left')
    if count_key == 'train_instances' and rare.any():
        right.axvline(9.5, color='0.4', linewidth=0.8, linestyle=':', label='rare: fewer than 10')
    right.legend(frameon=True, framealpha=0.85, edgecolor='none', fontsize=8)
    _save(figure, path)


def _draw_roles(path: Path, rows: Sequence[dict]) -> None:
    figure, axes = _axes(2)
    for axis, kind, title in zip(axes, ('role', 'agent'), ('Role AP', 'Agent AP'), strict=True):
        part = [row for row in rows if row['kind'] == kind and row['ap_scenario_1'] is not None]
        part.sort(key=lambda row: row['ap_scenario_1'])
        places = np.arange(len(part))
        if kind == 'role':
            axis.barh(places + 0.2, [100 * r['ap_scenario_2'] for r in part], 0.4, color=_ORANGE, label='Scenario 2')
            axis.barh(places - 0.2, [100 * r['ap_scenario_1'] for r in part], 0.4, color=_BLUE, label='Scenario 1')
            axis.legend(frameon=False, loc='lower right')
        else:
            axis.barh(places, [100 * row['ap_scenario_1'] for row in part], 0.7, color=_BLUE)
        axis.set_yticks(places, [row['name'] for row in part], fontsize=7)
        axis.set(xlabel='AP (%)', xlim=(0, 102))
        axis.set_title(title, loc='left')
    _save(figure, path)


def _axes(number: int) -> tuple[Any, Any]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4 * number, 4.6), layout='constrained')
    FigureCanvasAgg(figure)
    axes = figure.subplots(1, number)
    for axis in axes:
        axis.spines[['top', 'right']].set_visible(False)
        axis.grid(color='0.9', linewidth=0.6)
        axis.set_axisbelow(True)
    return figure, axes


def _save(figure: Any, path: Path) -> None:
    with new_file(path) as file:
        figure.savefig(file, format='png', dpi=120)
