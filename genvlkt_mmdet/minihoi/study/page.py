"""Page of the ablation study: tables, verdicts and a figure."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ...files import write_file
from ...plotting import BLUE, ORANGE, VERMILION, new_figure, save_figure
from ...vocabulary import load_vocabulary
from .results import Result
from .tables import FULL, ORDERINGS, ROWS, SPLITS, ZERO_SHOT_VLKT, Ordering, Row

BEGIN, END = '<!-- results: begin -->', '<!-- results: end -->'
_COLOURS = {'baseline': '#999999', 'VLKT, random text': ORANGE, 'VLKT': BLUE}


class Study:
    """Finished runs by config.

    Args:
        results (Sequence[Result]): The runs.
    """

    def __init__(self, results: Sequence[Result]) -> None:
        self.runs: dict[str, dict[int, Result]] = {}
        for result in results:
            self.runs.setdefault(result.config, {})[result.seed] = result

    def values(self, config: str, figure: str) -> dict[int, float]:
        """Values of ``figure``, an attribute of :class:`Result`, for the seeds of a config, in percent."""
        runs = sorted(self.runs.get(config, {}).items())
        return {seed: 100 * getattr(run, figure) for seed, run in runs if getattr(run, figure) is not None}

    def class_mean(self, config: str, classes: Sequence[int]) -> dict[int, float]:
        """Mean AP of some HOI classes for the seeds of a config, in percent."""
        runs = sorted(self.runs.get(config, {}).items())
        return {seed: 100 * float(np.mean([run.ap[i] for i in classes])) for seed, run in runs}

    def differences(self, ordering: Ordering) -> list[float]:
        """Value of ``better`` minus value of ``worse``, in percentage points, for each seed that both have."""
        better = self.values(ordering.better, ordering.figure)
        worse = self.values(ordering.worse, ordering.figure)
        return [better[seed] - worse[seed] for seed in better if seed in worse]


def spread(values: Sequence[float]) -> str:
    """Mean and sample standard deviation, e.g. '31.4 ± 1.2'. Only the value, if there is one."""
    values = list(values)
    if not values:
        return '-'
    mean = f'{np.mean(values):.1f}'
    return mean if len(values) == 1 else f'{mean} ± {np.std(values, ddof=1):.1f}'


def verdict(differences: Sequence[float]) -> str:
    """Whether an ordering holds.

    Args:
        differences (Sequence[float]): Difference of each seed.

    Returns:
        str: 'holds' or 'does not hold' if all seeds agree. 'not settled' if they do not, or if there is only one. '-' without
        seeds.
    """
    if len(differences) < 2:
        return 'not settled' if differences else '-'
    if min(differences) > 0:
        return 'holds'
    return 'does not hold' if max(differences) < 0 else 'not settled'


def render(study: Study) -> str:
    """The generated part of the page, in Markdown."""
    parts = [
        "### Which of the paper's orderings hold here",
        _orderings(study, paper=True),
        'The controls:',
        _orderings(study, paper=False),
        '### Table 3: zero-shot',
        _zero_shot_table(study),
        '### Phrases at inference only',
        _phrases_table(study),
    ]
    for table, title in (('4a', 'the network'), ('4b', 'knowledge transfer'), ('4c', 'the mimic loss')):
        parts += [f'### Table {table}: {title}', _plain_table(study, [row for row in ROWS if row.table == table])]
    runs = [run for seeds in study.runs.values() for run in seeds.values()]
    if runs:
        days = sorted({run.date for run in runs})
        parts.append(
            f'{len(runs)} runs, {sum(run.minutes for run in runs):.0f} minutes in all, '
            f'{days[0]}{" to " + days[-1] if len(days) > 1 else ""}.'
        )
    return '\n\n'.join(parts)


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ['---'] * len(header), *rows]
    return '\n'.join('| ' + ' | '.join(line) + ' |' for line in lines)


def _orderings(study: Study, paper: bool) -> str:
    rows = []
    for ordering in ORDERINGS:
        if ordering.paper == paper:
            differences = study.differences(ordering)
            each = ', '.join(f'{value:+.1f}' for value in differences)
            mean = f'{np.mean(differences):+.1f}' if differences else '-'
            rows.append([ordering.claim, ordering.figure.replace('_', '-'), mean, each or '-', verdict(differences)])
    return _table(['Expectation', 'Figure', 'Mean difference', 'Seed by seed', ''], rows)


def _link(row: Row) -> str:
    return f'[{row.label}](../configs/{row.config})'


def _zero_shot_table(study: Study) -> str:
    rows = []
    for row in ROWS:
        if row.split is not None:
            figures = [spread(study.values(row.config, key).values()) for key in ('unseen', 'seen', 'full')]
            rows.append([SPLITS[row.split][1], _link(row), *figures, str(len(study.runs.get(row.config, {})))])
    return _table(['Split', 'Row', 'Unseen', 'Seen', 'Full', 'Seeds'], rows)


def _plain_table(study: Study, rows: Sequence[Row]) -> str:
    lines = []
    for row in rows:
        figures = [spread(study.values(row.config, key).values()) for key in ('full', 'rare', 'non_rare')]
        lines.append([_link(row), *figures, str(len(study.runs.get(row.config, {})))])
    return _table(['Row', 'Full', 'Rare', 'Non-rare', 'Seeds'], lines)


def _phrases_table(study: Study) -> str:
    vocabulary = load_vocabulary('minihoi')
    rows = []
    for key, (split, title) in SPLITS.items():
        unseen = vocabulary.unseen(split)
        rows.append(
            [
                f'{title} ({len(unseen)} classes)',
                spread(study.values(ZERO_SHOT_VLKT.format(key), 'phrases_unseen').values()),
                spread(study.class_mean(FULL, unseen).values()),
            ]
        )
    return _table(['Unseen classes of', 'Phrases at inference only', 'Trained with them'], rows)


def draw(study: Study, path: Path) -> None:
    """Draws the study to a PNG file: unseen HOIs of Table 3 on the left, Full and Rare of Table 4 on the right."""
    figure = new_figure(11.5, 5.2)
    left, right = figure.subplots(1, 2, width_ratios=(1.0, 1.15))
    _draw_zero_shot(left, study)
    _draw_table_4(right, study)
    for axis in (left, right):
        axis.spines[['top', 'right']].set_visible(False)
        axis.set_axisbelow(True)
    save_figure(figure, path)


def _draw_zero_shot(axis: Any, study: Study) -> None:
    width = 0.27
    for offset, (label, colour) in enumerate(_COLOURS.items()):
        places, means = [], []
        for place, split in enumerate(SPLITS):
            row = next(row for row in ROWS if row.split == split and row.label == label)
            values = list(study.values(row.config, 'unseen').values())
            if values:
                x = place + (offset - 1) * width
                places.append(x)
                means.append(np.mean(values))
                axis.scatter([x] * len(values), values, s=14, color='black', zorder=3)
        axis.bar(places, means, 0.9 * width, color=colour, label=label)
    axis.set_xticks(range(len(SPLITS)), [title for _, title in SPLITS.values()])
    axis.set(ylabel='mAP of unseen HOIs (%)', ylim=(0, None))
    axis.set_title('Table 3: unseen HOIs', loc='left')
    axis.grid(axis='y', color='0.9', linewidth=0.6)
    axis.legend(frameon=False)


def _draw_table_4(axis: Any, study: Study) -> None:
    names, labelled, place = [], set(), 0.0
    for table in ('4a', '4b', '4c'):
        for row in (row for row in ROWS if row.table == table):
            for figure, colour, shift in (('full', BLUE, -0.14), ('rare', VERMILION, 0.14)):
                values = list(study.values(row.config, figure).values())
                if values:
                    label = None if figure in labelled else figure.capitalize()
                    labelled.add(figure)
                    axis.scatter(values, [place + shift] * len(values), s=14, color=colour, alpha=0.6, linewidths=0)
                    axis.plot([np.mean(values)], [place + shift], '|', color=colour, ms=11, mew=2.5, label=label)
            names.append((place, f'{table}  {row.label}'))
            place += 1
        place += 0.5
    axis.set_yticks([where for where, _ in names], [name for _, name in names])
    axis.set_ylim(names[-1][0] + 0.6, -0.6)
    axis.set(xlabel='mAP (%)')
    axis.set_title('Table 4: dots are seeds, bars their mean', loc='left')
    axis.grid(axis='x', color='0.9', linewidth=0.6)
    if axis.get_legend_handles_labels()[0]:
        axis.legend(frameon=False)


def update(page: Path, generated: str) -> None:
    """Replaces the part of the page between the markers. Raises ValueError if there are none."""
    text = page.read_text(encoding='utf-8')
    if text.count(BEGIN) != 1 or text.count(END) != 1 or text.index(END) < text.index(BEGIN):
        raise ValueError(f'{page} needs the lines {BEGIN} and {END}, once each, around the part that is generated.')
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    write_file(page, f'{before}{BEGIN}\n{generated}\n{END}{after}'.encode())
