"""Reports as tables to read, in percent."""

from collections.abc import Sequence

from ...text_table import text_table


def hico_table(report: dict[str, dict], zero_shot: str | None = None, phrases: Sequence[str] | None = None) -> str:
    """A report of triplet detection as a table.

    Args:
        report (dict): Of :func:`genvlkt_mmdet.evaluation.functional.hico_report`.
        zero_shot (str, optional): Name of the zero-shot split that the report has.
        phrases (Sequence[str], optional): Phrases of the classes; adds a table of every class.

    Returns:
        str: The table.
    """
    columns = [key for key in ('full', 'rare', 'non_rare', 'mean_max_recall') if key in report['default']]
    names = dict(full='Full', rare='Rare', non_rare='Non-rare', mean_max_recall='mean max recall')
    modes = report['default'], report['known_object']
    rows = [
        [title, *(_percent(mode[key]) for key in columns)] for title, mode in zip(('Default', 'Known Object'), modes)
    ]
    tables = [text_table(['mAP (%)', *(names[key] for key in columns)], rows)]
    if 'zero_shot' in report:
        figures = report['zero_shot']
        row = ['Default', *(_percent(figures[key]) for key in ('unseen', 'seen', 'full'))]
        tables.append(text_table([f'zero-shot {zero_shot or ""}'.strip(), 'Unseen', 'Seen', 'Full'], [row]))
    if phrases is not None:
        rows = [
            [phrase, str(modes[0]['num_gt'][i]), *(_percent(mode['ap'][i]) for mode in modes)]
            for i, phrase in enumerate(phrases)
        ]
        tables.append(text_table(['class', 'instances', 'Default', 'Known Object'], rows))
    return '\n'.join(tables)


def vcoco_table(report: dict[str, dict], classwise: bool = False) -> str:
    """A report of V-COCO as a table.

    Args:
        report (dict): Of :func:`genvlkt_mmdet.evaluation.functional.vcoco_report`.
        classwise (bool): Add tables of every role and action.

    Returns:
        str: The table.
    """
    scenarios = report['scenario_1'], report['scenario_2']
    rows = [
        ['role, mean of 24', *(_percent(scenario['mean_24']) for scenario in scenarios)],
        ['role, mean of 25 (with point)', *(_percent(scenario['mean_25']) for scenario in scenarios)],
        ['agent, mean', _percent(report['agent']['mean']), ''],
    ]
    tables = [text_table(['AP (%)', 'Scenario 1', 'Scenario 2'], rows)]
    if classwise:
        rows = [[name, *(_percent(scenario['ap'][name]) for scenario in scenarios)] for name in scenarios[0]['ap']]
        tables.append(text_table(['role', 'Scenario 1', 'Scenario 2'], rows))
        rows = [[name, _percent(value)] for name, value in report['agent']['ap'].items()]
        tables.append(text_table(['action', 'agent AP'], rows))
    return '\n'.join(tables)


def _percent(value: float | None) -> str:
    return '-' if value is None else f'{100 * value:.2f}'
