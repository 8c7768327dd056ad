"""Results of an evaluation as text tables, in percent."""

from collections.abc import Sequence

from ...text_table import text_table


def hico_table(summary: dict[str, dict], zero_shot: str | None = None, phrases: Sequence[str] | None = None) -> str:
    """Formats the results of HICO-DET as text tables.

    Args:
        summary (dict): Result of :func:`genvlkt_mmdet.evaluation.functional.summarize_hico`.
        zero_shot (str, optional): Name of the zero-shot split, for the title.
        phrases (Sequence[str], optional): Phrases of the classes. Adds a table with a row for every class.
    """
    columns = [key for key in ('full', 'rare', 'non_rare', 'mean_max_recall') if key in summary['default']]
    names = dict(full='Full', rare='Rare', non_rare='Non-rare', mean_max_recall='mean max recall')
    modes = summary['default'], summary['known_object']
    titles = ('Default', 'Known Object')
    rows = [[title, *(percent(mode[key]) for key in columns)] for title, mode in zip(titles, modes)]
    tables = [text_table(['mAP (%)', *(names[key] for key in columns)], rows)]
    if 'zero_shot' in summary:
        figures = summary['zero_shot']
        row = ['Default', *(percent(figures[key]) for key in ('unseen', 'seen', 'full'))]
        tables.append(text_table([f'zero-shot {zero_shot or ""}'.strip(), 'Unseen', 'Seen', 'Full'], [row]))
    if phrases is not None:
        rows = [
            [phrase, str(modes[0]['num_gt'][i]), *(percent(mode['ap'][i]) for mode in modes)]
            for i, phrase in enumerate(phrases)
        ]
        tables.append(text_table(['class', 'instances', *titles], rows))
    return '\n'.join(tables)


def vcoco_table(summary: dict[str, dict], classwise: bool = False) -> str:
    """Formats the results of V-COCO as text tables.

    Args:
        summary (dict): Result of :func:`genvlkt_mmdet.evaluation.functional.summarize_vcoco`.
        classwise (bool): Add a table of all roles and a table of all actions. Default: False.
    """
    scenarios = summary['scenario_1'], summary['scenario_2']
    rows = [
        ['role, mean of 24', *(percent(scenario['mean_24']) for scenario in scenarios)],
        ['role, mean of 25 (with point)', *(percent(scenario['mean_25']) for scenario in scenarios)],
        ['agent, mean', percent(summary['agent']['mean']), ''],
    ]
    tables = [text_table(['AP (%)', 'Scenario 1', 'Scenario 2'], rows)]
    if classwise:
        rows = [[name, *(percent(scenario['ap'][name]) for scenario in scenarios)] for name in scenarios[0]['ap']]
        tables.append(text_table(['role', 'Scenario 1', 'Scenario 2'], rows))
        rows = [[name, percent(value)] for name, value in summary['agent']['ap'].items()]
        tables.append(text_table(['action', 'agent AP'], rows))
    return '\n'.join(tables)


def percent(value: float | None) -> str:
    """Formats a number in [0, 1] in percent. None: '-'."""
    return '-' if value is None else f'{100 * value:.2f}'
