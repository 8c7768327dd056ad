"""Reports as tables to read, in percent."""

from collections.abc import Sequence

from terminaltables import AsciiTable


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
    rows = [['mAP (%)', *(names[key] for key in columns)]]
    for mode, title in (('default', 'Default'), ('known_object', 'Known Object')):
        rows.append([title, *(_percent(report[mode][key]) for key in columns)])
    tables = [AsciiTable(rows).table]
    if 'zero_shot' in report:
        figures = report['zero_shot']
        rows = [[f'zero-shot {zero_shot or ""}'.strip(), 'Unseen', 'Seen', 'Full']]
        rows.append(['Default', *(_percent(figures[key]) for key in ('unseen', 'seen', 'full'))])
        tables.append(AsciiTable(rows).table)
    if phrases is not None:
        modes = report['default'], report['known_object']
        rows = [['class', 'instances', 'Default', 'Known Object']]
        for i, phrase in enumerate(phrases):
            rows.append([phrase, str(modes[0]['num_gt'][i]), *(_percent(mode['ap'][i]) for mode in modes)])
        tables.append(AsciiTable(rows).table)
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
    rows = [['AP (%)', 'Scenario 1', 'Scenario 2']]
    rows.append(['role, mean of 24', *(_percent(scenario['mean_24']) for scenario in scenarios)])
    rows.append(['role, mean of 25 (with point)', *(_percent(scenario['mean_25']) for scenario in scenarios)])
    rows.append(['agent, mean', _percent(report['agent']['mean']), ''])
    tables = [AsciiTable(rows).table]
    if classwise:
        rows = [['role', 'Scenario 1', 'Scenario 2']]
        rows += [[name, *(_percent(scenario['ap'][name]) for scenario in scenarios)] for name in scenarios[0]['ap']]
        tables.append(AsciiTable(rows).table)
        rows = [['action', 'agent AP'], *([name, _percent(value)] for name, value in report['agent']['ap'].items())]
        tables.append(AsciiTable(rows).table)
    return '\n'.join(tables)


def _percent(value: float | None) -> str:
    return '-' if value is None else f'{100 * value:.2f}'
