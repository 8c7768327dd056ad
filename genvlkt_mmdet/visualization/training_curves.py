"""Curves of losses and metrics of several trainings, from the logs that mmengine writes."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..plotting import PALETTE, new_figure

LOG_NAME = 'scalars.json'
# Shown if a training has them: the mAP of all, rare and other classes, and the losses of the last decoder layer.
DEFAULT_KEYS = (
    'hico/full',
    'hico/rare',
    'hico/non_rare',
    'vcoco/scenario_1/mean_24',
    'vcoco/scenario_2/mean_24',
    'loss',
    'loss_hoi',
    'loss_obj',
    'loss_human_bbox',
    'loss_object_bbox',
    'loss_human_iou',
    'loss_object_iou',
    'loss_mimic',
)


@dataclass
class TrainingLog:
    """Scalars of a training.

    Attributes:
        name (str): Name of the training, for the legend.
        curves (dict[str, dict[float, float]]): For each scalar, its value by iteration.
        damaged (int): Number of lines that could not be read.
    """

    name: str
    curves: dict[str, dict[float, float]] = field(default_factory=dict)
    damaged: int = 0


def read_training_log(path: str | Path) -> TrainingLog:
    """Reads the log of a training.

    Args:
        path (str | Path): Work folder of the training, a folder of one of its runs, or a ``scalars.json``. If the work folder has
            several runs, as after resuming, a later one replaces the steps that it has repeated.

    Returns:
        TrainingLog: The scalars.

    Raises:
        FileNotFoundError: If there is no log.
        ValueError: If it holds no scalar.
    """
    path = Path(path)
    # mmengine names the folder of a run after its start, so that the latest run comes last.
    files = sorted(path.rglob(LOG_NAME)) if path.is_dir() else [path]
    if not files or not path.exists():
        raise FileNotFoundError(f"'{path}' is no log: give the work folder of a training, or its {LOG_NAME}.")
    log = TrainingLog(path.name if path.is_dir() else _run_name(path))
    for file in files:
        run: dict[str, dict[float, float]] = {}
        latest = 0
        for line in file.read_bytes().splitlines():
            entry = _entry(line)
            if entry is None:
                log.damaged += bool(line.strip())
                continue
            # A training that logs metrics by epoch gives the number of the epoch here. The log is in order, so the metric
            # belongs to the latest iteration.
            latest = max(latest, entry['step'])
            for key, value in entry.items():
                if key not in ('step', 'iter', 'epoch') and _is_number(value):
                    run.setdefault(key, {})[latest] = float(value)
        for key, values in run.items():
            earlier = {step: value for step, value in log.curves.get(key, {}).items() if step < min(values)}
            log.curves[key] = {**earlier, **dict(sorted(values.items()))}
    if not log.curves:
        raise ValueError(f"'{path}' holds no scalar: the training has not reached its first logging step.")
    return log


def plot_trainings(logs: Sequence[TrainingLog], keys: Sequence[str] | None = None) -> Any:
    """Draws a panel for each scalar, with a curve for each training.

    Args:
        logs (Sequence[TrainingLog]): The trainings.
        keys (Sequence[str], optional): Names of the scalars. None: the mAP and the losses that the trainings have.

    Returns:
        matplotlib.figure.Figure: The figure, see :func:`genvlkt_mmdet.plotting.save_figure`.

    Raises:
        ValueError: If no training has one of the scalars. The message lists those that there are.
    """
    there = {key for log in logs for key in log.curves}
    shown = [key for key in DEFAULT_KEYS if key in there] if keys is None else list(dict.fromkeys(keys))
    missing = [key for key in shown if key not in there]
    if missing or not shown:
        what = f'no {missing[0]!r}' if missing else 'none of the usual losses and metrics'
        raise ValueError(f'The logs have {what}: choose from {", ".join(sorted(there))}.')
    columns = min(3, len(shown))
    rows = math.ceil(len(shown) / columns)
    figure = new_figure(4.2 * columns, 2.9 * rows + 0.3 * len(logs))
    for i, key in enumerate(shown):
        axes = figure.add_subplot(rows, columns, i + 1)
        for k, log in enumerate(logs):
            curve = log.curves.get(key)
            if curve:
                few = len(curve) <= 30  # a curve of one point is only visible with a marker
                axes.plot(
                    list(curve), list(curve.values()), color=PALETTE[k % len(PALETTE)], linewidth=1.5,
                    linestyle='-' if k < len(PALETTE) else '--', marker='o' if few else None, markersize=4,
                )  # fmt: skip
        axes.set_title(key, fontsize=10)
        axes.set_xlabel('iteration', fontsize=8)
        axes.tick_params(labelsize=8)
        axes.grid(alpha=0.3)
        axes.margins(x=0.03)
        if '/' in key:  # a metric
            axes.set_ylim(bottom=0)
        axes.xaxis.get_major_locator().set_params(integer=True)
    handles = [
        figure.axes[0].plot([], [], color=PALETTE[k % len(PALETTE)], linestyle='-' if k < len(PALETTE) else '--')[0]
        for k in range(len(logs))
    ]
    figure.legend(handles, [log.name for log in logs], loc='outside lower left', ncols=1, frameon=False, fontsize=9)
    return figure


def _run_name(file: Path) -> str:
    """Name of the work folder of ``work_dir/TIME/vis_data/scalars.json``, else the path."""
    folders = file.resolve().parents
    return folders[2].name if folders[0].name == 'vis_data' and len(folders) > 3 else str(file)


def _entry(line: bytes) -> Mapping[str, Any] | None:
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):  # a training that was killed can leave half a line
        return None
    return entry if isinstance(entry, dict) and _is_number(entry.get('step')) else None


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
