"""The report of an evaluation: one CSV row per class, and a picture."""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..datasets.vocabulary import HOIVocabulary
from .offline import rare_classes

# Okabe and Ito's palette: readable with every kind of colour vision
_COLOURS = {'non-rare': '#0072B2', 'rare': '#E69F00', 'unseen': '#D55E00', 'class': '#0072B2'}
_MARKERS = {'non-rare': 'o', 'rare': '^', 'unseen': 's', 'class': 'o'}


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
    folder.mkdir(parents=True, exist_ok=True)
    rows = _vcoco_rows(report) if 'agent' in report else _hico_rows(report, vocabulary, train_counts, zero_shot)
    table = folder / 'classes.csv'
    with table.open('w', newline='', encoding='utf-8') as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]), lineterminator='\n')
        writer.writeheader()
        writer.writerows(rows)
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
        group = 'unseen' if i in unseen else 'rare' if i in rare else 'non-rare' if rare else 'class'
        rows.append(
            dict(
                index=i,
                id=vocabulary.hoi_ids[i],
                phrase=vocabulary.phrase(i),
                group=group,
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
    figure, (left, right) = _axes(2)
    rows = [row for row in rows if row['ap_default'] is not None]
    order = sorted(rows, key=lambda row: -row['ap_default'])
    groups = [name for name in _COLOURS if any(row['group'] == name for row in rows)]
    for name in groups:
        places = [i for i, row in enumerate(order) if row['group'] == name]
        values = [100 * order[i]['ap_default'] for i in places]
        label = f'{name} ({len(places)}), mean {np.mean(values):.2f}'
        left.bar(places, values, width=1.0, color=_COLOURS[name], label=label)
        counts = np.array([order[i][count_key] for i in places], dtype=float)
        right.scatter(
            # half an instance stands for none on a logarithmic axis
            np.maximum(counts, 0.5),
            values,
            s=16,
            alpha=0.65,
            marker=_MARKERS[name],
            color=_COLOURS[name],
            edgecolors='none',
            label=name,
        )
    left.set(xlabel='classes, best first', ylabel='AP, Default (%)', xlim=(-0.5, max(len(order), 1) - 0.5))
    left.set_title(f'AP by class: Full {100 * report["default"]["full"]:.2f}', loc='left')
    left.legend(frameon=False)
    which = 'training' if count_key == 'train_instances' else 'test'
    right.set_xscale('log')
    right.set(xlabel=f'{which} instances of the class', ylim=(-2, 102))
    right.set_title(f'AP against the number of {which} instances', loc='left')
    left.set_ylim(0, 102)
    if count_key == 'train_instances' and 'rare' in groups:
        right.axvline(9.5, color='0.5', linewidth=0.8, linestyle=':')
    _save(figure, path)


def _draw_roles(path: Path, rows: Sequence[dict]) -> None:
    figure, axes = _axes(2)
    for axis, kind, title in zip(axes, ('role', 'agent'), ('Role AP', 'Agent AP'), strict=True):
        part = [row for row in rows if row['kind'] == kind and row['ap_scenario_1'] is not None]
        part.sort(key=lambda row: row['ap_scenario_1'])
        places = np.arange(len(part))
        if kind == 'role':
            axis.barh(places + 0.2, [100 * r['ap_scenario_2'] for r in part], 0.4, color='#E69F00', label='Scenario 2')
            axis.barh(places - 0.2, [100 * r['ap_scenario_1'] for r in part], 0.4, color='#0072B2', label='Scenario 1')
            axis.legend(frameon=False, loc='lower right')
        else:
            axis.barh(places, [100 * row['ap_scenario_1'] for row in part], 0.7, color='#0072B2')
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
    figure.savefig(path, dpi=120)
