"""Diagnosis of errors as plain numbers, text tables and a figure, for one results file or two."""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from ...plotting import BLUE, GREEN, ORANGE, PURPLE, SKY_BLUE, VERMILION, new_figure
from ...text_table import text_table
from ...vocabulary import HOIVocabulary
from ..evaluate import rare_classes
from ..functional import (
    ERRORS,
    FIXES,
    Diagnosis,
    fix_errors,
    interaction_ap,
    localisation,
    no_interaction_ap,
    verb_confusion,
)
from ..functional.average_precision import mean_ap, none_if_nan
from .tables import percent

#: Names of the errors and fixes for people.
TITLES = dict(
    correct='correct',
    human_box='human box',
    object_box='object box',
    both_boxes='both boxes',
    association='association',
    interaction='interaction',
    duplicate='duplicate',
    missing='missing',
    not_diagnosed='not diagnosed',
    false_positives='all false positives',
    false_negatives='all that is not found',
)
#: What is detected first at an annotation: the right triplet, an error, or nothing.
FATES = ('correct', *ERRORS[1:], 'missing', 'not_diagnosed')
#: The kinds of error that the mAP is diagnosed for.
KINDS = (*ERRORS[1:], 'missing')
#: A colour for each.
COLOURS = dict(
    correct=GREEN,
    human_box=ORANGE,
    object_box=SKY_BLUE,
    both_boxes=BLUE,
    association=PURPLE,
    interaction=VERMILION,
    duplicate='#999999',
    missing='#333333',
    not_diagnosed='#dddddd',
)


def class_phrases(vocabulary: HOIVocabulary) -> list[str]:
    """Phrase of every class of a diagnosis: of each HOI class, or of each (action, role) of V-COCO."""
    if vocabulary.name == 'vcoco':
        return [f'person {phrase} ({name})' for name, phrase in zip(vocabulary.verb_names, vocabulary.verb_phrases)]
    return [vocabulary.phrase(i) for i in range(vocabulary.num_hois)]


def annotation_fates(diagnosis: Diagnosis) -> np.ndarray:
    """(m,) what is detected first, by falling score, at each annotation: an index of :data:`FATES`. -1: does not count."""
    fates = np.where(diagnosis.found >= 0, FATES.index('correct'), FATES.index('missing'))
    lost = np.flatnonzero(diagnosis.best >= 0)
    errors = diagnosis.errors[diagnosis.best[lost]]
    fates[lost] = np.where(errors < 0, FATES.index('not_diagnosed'), errors)
    fates[~diagnosis.gt_counts] = -1
    return fates


def summarize_diagnosis(diagnosis: Diagnosis, vocabulary: HOIVocabulary) -> dict[str, Any]:
    """All numbers of a diagnosis as plain dictionaries and lists.

    Args:
        diagnosis (Diagnosis): The diagnosis.
        vocabulary (HOIVocabulary): Vocabulary of the dataset.

    Returns:
        dict[str, Any]: ``detections``: how many have each error. ``annotations``: at how many each error comes first.
        ``fixes``: mAP, gain and, if the vocabulary has rare classes, ``rare`` and ``non_rare`` with each kind of error fixed.
        ``localisation``, ``interaction_map``, ``no_interaction_ap``, ``classes`` (with gains by fix) and ``confusions``. All
        in [0, 1]. None if no class counts.
    """
    results = fix_errors(diagnosis)
    fates, phrases = annotation_fates(diagnosis), class_phrases(vocabulary)
    groups: dict[str, Any] = dict(map=None)
    if vocabulary.name != 'vcoco' and vocabulary.rare:
        groups |= dict(zip(('rare', 'non_rare'), rare_classes(vocabulary)))
    fixes: dict[str, dict[str, Any]] = {}
    for fix in FIXES:
        means = {name: diagnosis.mean_ap(results[fix], classes) for name, classes in groups.items()}
        gain = means['map'] - diagnosis.mean_ap(results['none'])
        fixes[fix] = {name: none_if_nan(value) for name, value in dict(means, gain=gain).items()}
    size, before = len(phrases), results['none'].ap
    classes = []
    for i in np.flatnonzero(np.bincount(diagnosis.gts.labels[diagnosis.gt_counts], minlength=size)):
        own = fates[diagnosis.gts.labels == i]
        classes.append(
            dict(
                index=int(i),
                phrase=phrases[i],
                annotations=int((own >= 0).sum()),
                ap=none_if_nan(before[i]),
                fates={name: int((own == k).sum()) for k, name in enumerate(FATES)},
                gains={fix: none_if_nan(results[fix].ap[i] - before[i]) for fix in KINDS},
            )
        )
    confusions = verb_confusion(diagnosis)
    totals = np.bincount(confusions[:, 0], weights=confusions[:, 2], minlength=size).astype(int)
    wrong = confusions[confusions[:, 0] != confusions[:, 1]]
    pairs = localisation(diagnosis)
    on_pairs = interaction_ap(diagnosis)
    in_mean = np.zeros(len(on_pairs.ap), dtype=bool)
    in_mean[diagnosis.verbs[diagnosis.in_mean]] = True
    # A verb of no located pair says nothing about naming.
    in_mean &= on_pairs.num_gt > 0
    return dict(
        num_images=diagnosis.num_images,
        num_detections=int(diagnosis.det_counts.sum()),
        num_annotations=int(diagnosis.gt_counts.sum()),
        detections={name: int((diagnosis.errors == k).sum()) for k, name in enumerate(ERRORS)},
        annotations={name: int((fates == k).sum()) for k, name in enumerate(FATES)},
        fixes=fixes,
        localisation=pairs,
        interaction_map=none_if_nan(mean_ap(on_pairs.ap[in_mean])),
        no_interaction_ap=no_interaction_ap(diagnosis),
        classes=classes,
        confusions=[
            dict(annotated=int(a), detected=int(b), count=int(c), of=int(totals[a]), phrases=[phrases[a], phrases[b]])
            for a, b, c in wrong
        ],
    )


def diagnosis_table(summaries: Sequence[dict[str, Any]], names: Sequence[str] = ('',)) -> str:
    """Formats one or two diagnoses as text tables.

    Args:
        summaries (Sequence[dict]): Results of :func:`summarize_diagnosis`.
        names (Sequence[str]): A name for each. Default: no name.
    """
    return '\n'.join(text_table(header, rows) for header, rows in diagnosis_rows(summaries, names))


def diagnosis_rows(
    summaries: Sequence[dict[str, Any]], names: Sequence[str]
) -> list[tuple[list[str], list[list[str]]]]:
    """Header and rows of the two tables: by kind of error, and pairs and interactions apart."""
    rows = []
    for fix in FIXES:
        fate = 'correct' if fix == 'none' else fix
        key = 'map' if fix == 'none' else 'gain'
        values = [summary['fixes'][fix][key] for summary in summaries]
        counts = [str(summary['annotations'].get(fate, '')) for summary in summaries]
        shown = [percent(value) if fix == 'none' else points(value) for value in values]
        if len(summaries) == 2:
            title = 'mAP as detected' if fix == 'none' else TITLES[fix]
            rows.append([title, *shown, points(None if None in values else values[1] - values[0]), *counts])
        else:
            fixed = percent(summaries[0]['fixes'][fix]['map'])
            title, gain = ('as detected', '') if fix == 'none' else (TITLES[fix], shown[0])
            rows.append([title, fixed, gain, str(summaries[0]['detections'].get(fate, '')), *counts])
    header = ['error', 'mAP if fixed', 'gain', 'detections', 'annotations']
    if len(summaries) == 2:
        header = ['gain if fixed', *names, 'change', *(f'annotations {name}' for name in names)]
    pairs = [
        ['recall of pairs', *(percent(s['localisation']['recall']) for s in summaries)],
        ['precision of pairs', *(percent(s['localisation']['precision']) for s in summaries)],
        ['pairs per image', *(f'{s["localisation"]["pairs_per_image"]:.1f}' for s in summaries)],
        ['interaction mAP on located pairs', *(percent(s['interaction_map']) for s in summaries)],
    ]
    return [(header, rows), (['pairs and interactions apart', *(names if any(names) else ['%'])], pairs)]


def points(value: float | None) -> str:
    """Formats a difference in percentage points, with its sign. None: '-'."""
    return '-' if value is None else f'{100 * value:+.2f}'


def diagnosis_figure(
    summaries: Sequence[dict[str, Any]],
    names: Sequence[str] = ('',),
    panels: Sequence[Literal['gains', 'fates']] = ('gains', 'fates'),
) -> Any:
    """Draws one or two diagnoses.

    Args:
        summaries (Sequence[dict]): Results of :func:`summarize_diagnosis`.
        names (Sequence[str]): A name for each.
        panels (Sequence[str]): 'gains': what fixing each kind of error would gain. 'fates': what is detected first at the
            annotated interactions. Default: both.

    Returns:
        matplotlib.figure.Figure: The figure, see :func:`save_figure`.
    """
    figure = new_figure(5.8 * len(panels), 4.0)
    axes = figure.subplots(1, len(panels), squeeze=False)[0]
    for panel, axis in zip(panels, axes):
        (_draw_gains if panel == 'gains' else _draw_fates)(axis, summaries, names)
        axis.spines[['top', 'right']].set_visible(False)
        axis.grid(axis='x', color='0.9', linewidth=0.6)
        axis.set_axisbelow(True)
    return figure


def _draw_gains(axis: Any, summaries: Sequence[dict[str, Any]], names: Sequence[str]) -> None:
    kinds = by_gain(summaries[0])[::-1]
    places = np.arange(len(kinds))
    height = 0.8 / len(summaries)
    for i, (summary, name, colour) in enumerate(zip(summaries, names, (BLUE, ORANGE))):
        gains = [100 * (summary['fixes'][kind]['gain'] or 0) for kind in kinds]
        label = f'{name}: mAP {percent(summary["fixes"]["none"]["map"])}'
        bars = axis.barh(places + ((len(summaries) - 1) / 2 - i) * height, gains, height, color=colour, label=label)
        axis.bar_label(bars, [f'{gain:+.1f}' for gain in gains], padding=3, fontsize=8)
    axis.set_yticks(places, [TITLES[kind] for kind in kinds])
    axis.margins(x=0.12)
    axis.axvline(0, color='0.3', linewidth=0.8)
    axis.set(xlabel='mAP points gained if this error were fixed (they do not add up)')
    title = 'What costs mAP'
    if len(summaries) == 1:
        title += f' (now {percent(summaries[0]["fixes"]["none"]["map"])})'
    else:
        axis.legend(frameon=False, loc='lower right', fontsize=9)
    axis.set_title(title, loc='left', fontsize=11)


def _draw_fates(axis: Any, summaries: Sequence[dict[str, Any]], names: Sequence[str]) -> None:
    shown = [fate for fate in FATES if any(summary['annotations'][fate] for summary in summaries)]
    starts = np.zeros(len(summaries))
    totals = np.array([max(summary['num_annotations'], 1) for summary in summaries])
    rows = -np.arange(len(summaries))
    for fate in shown:
        shares = 100 * np.array([summary['annotations'][fate] for summary in summaries]) / totals
        axis.barh(rows, shares, 0.6, left=starts, color=COLOURS[fate], label=TITLES[fate], edgecolor='white')
        ink = 'white' if fate in ('correct', 'both_boxes', 'interaction', 'missing') else 'black'
        for row, start, share in zip(rows, starts, shares):
            if share >= 6:
                axis.text(start + share / 2, row, f'{share:.0f} %', ha='center', va='center', color=ink)
        starts += shares
    axis.set_yticks(rows, names if any(names) else [''] * len(rows))
    axis.set(
        xlabel='annotated interactions (%)', xlim=(0, 100), ylim=(0.4 - len(summaries), 0.9 + 0.2 * len(summaries))
    )
    axis.set_title('What is detected first at the annotated interactions', loc='left', fontsize=11)
    axis.legend(frameon=False, ncols=3, fontsize=9, loc='upper left')


def by_gain(summary: dict[str, Any]) -> list[str]:
    """The kinds of error, the most expensive one first."""
    return sorted(KINDS, key=lambda kind: -(summary['fixes'][kind]['gain'] or 0))


def changes(first: Diagnosis, second: Diagnosis) -> dict[str, Any]:
    """What the second results detect better and worse than the first ones. Both diagnoses are of the same images.

    Returns:
        dict[str, Any]: ``gained``: at how many annotations the second results are right first, and the first ones are not, by
        the error of the first ones. ``lost``: the reverse, by the error of the second ones.
    """
    before, after = annotation_fates(first), annotation_fates(second)
    found = FATES.index('correct')

    def count(mine: np.ndarray, other: np.ndarray) -> dict[str, int]:
        kinds = other[(mine == found) & (other > found)]
        return {name: int((kinds == k).sum()) for k, name in enumerate(FATES) if k != found}

    return dict(gained=count(after, before), lost=count(before, after))
