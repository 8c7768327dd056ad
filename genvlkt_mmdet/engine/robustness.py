"""Evaluates a detector on corrupted images."""

import copy
import hashlib
import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmengine.evaluator import Evaluator
from mmengine.logging import MMLogger
from mmengine.runner import Runner
from torch import nn

from ..assets import SCHEME, asset_path
from ..converters import load_checkpoint
from ..datasets.transforms.corruption import CORRUPTIONS, LEVELS
from ..evaluation.functional import summarize_robustness
from ..evaluation.functional.average_precision import none_if_nan
from ..files import names_file, write_file
from ..models import GENVLKT, optimize_for_inference
from ..progress import progress_bar
from ..text_table import text_table
from .checkpoints import load_weights
from .device import check_device
from .explanation import config_name
from .preflight import build_model, check_testing, dataset_leaves, scope_of


def measure_robustness(
    cfg: Config,
    out: str | Path,
    corruptions: Sequence[str] = tuple(CORRUPTIONS),
    levels: Sequence[int] = tuple(range(1, LEVELS + 1)),
    num_images: int | None = None,
    seed: int = 0,
    device: str | None = None,
    progress: bool = False,
) -> dict[str, Any]:
    """Evaluates a checkpoint on the test set as it is, and with every corruption at every level.

    The figures are written to ``out`` after each evaluation. If the file exists, what is in it is not computed again, so an
    interrupted run goes on where it was. The same arguments give the same figures.

    Args:
        cfg (Config): Config from :func:`testing_config`.
        out (str | Path): JSON file for the figures.
        corruptions (Sequence[str]): Names in :data:`~genvlkt_mmdet.datasets.transforms.corruption.CORRUPTIONS`.
        levels (Sequence[int]): Levels of each corruption, 1 (weak) to 5 (strong).
        num_images (int, optional): Use so many images, spread evenly over the test set. None: all of them.
        seed (int): Seed of the corruptions.
        device (str, optional): Device of the model. None: the best available one.
        progress (bool): Whether to show a progress bar on the standard error stream.

    Returns:
        dict: ``settings``, ``metric`` (name of the main figure, the first of the config's evaluator), ``clean`` (all figures
        without corruption), ``corrupted`` (all figures, by corruption and by level as text), and ``summary`` (``mean`` and
        ``composite`` of :class:`~genvlkt_mmdet.evaluation.functional.Robustness` for the main figure, None for NaN).

    Raises:
        ValueError: If a corruption or level is unknown, or ``out`` belongs to other settings.
        ConfigError: If a setting is unknown or impossible.
        CheckpointError: If the checkpoint cannot be used.
    """
    for name in corruptions:
        if name not in CORRUPTIONS:
            raise ValueError(f"Unknown corruption '{name}': choose from {', '.join(CORRUPTIONS)}.")
    if not corruptions or not levels or not set(levels) <= set(range(1, LEVELS + 1)):
        raise ValueError(f'At least one corruption and levels from 1 to {LEVELS} are needed.')
    check_testing(cfg)
    cfg = copy.deepcopy(cfg)
    if num_images is not None:
        with scope_of(cfg):
            _select_images(cfg, num_images)
    settings = dict(config=config_name(cfg), digest=_digest(cfg), seed=seed, num_images=num_images)
    record = _started(Path(out), settings)
    tasks: list[tuple[str, int]] = [(name, level) for name in corruptions for level in levels]
    tasks = [(name, level) for name, level in tasks if str(level) not in record['corrupted'].get(name, {})]
    if tasks or not record['clean']:
        model = build_model(cfg).to(check_device(device)).eval()
        load_weights(model, load_checkpoint(cfg.load_from), cfg.load_from, config_name(cfg))
        if isinstance(model, GENVLKT):
            optimize_for_inference(model, 'float32')
        with scope_of(cfg), _quiet(), progress_bar('Robustness', len(tasks) + 1, progress) as advance:
            if not record['clean']:
                record['clean'] = _evaluate(model, cfg)
                record['metric'] = next(iter(record['clean']))
                _write(out, record)
            advance(1)
            for name, level in tasks:
                figures = _evaluate(model, cfg, dict(type='HOICorrupt', corruption=name, level=level, seed=seed))
                record['corrupted'].setdefault(name, {})[str(level)] = figures
                _write(out, record)
                advance(1)
    metric = record['metric']
    values = np.array([[record['corrupted'][name][str(level)][metric] for level in levels] for name in corruptions])
    summary = summarize_robustness(record['clean'][metric], values)
    composite = none_if_nan(summary.composite)
    record['summary'] = dict(corruptions=list(corruptions), levels=list(levels), mean=summary.mean, composite=composite)
    _write(out, record)
    return record


def robustness_table(record: Mapping[str, Any]) -> str:
    """Formats the result of :func:`measure_robustness`: the main figure in percent, and the two summary figures."""
    metric, summary = record['metric'], record['summary']
    clean, rows = record['clean'][metric], []
    for name in summary['corruptions']:
        values = [record['corrupted'][name][str(level)][metric] for level in summary['levels']]
        mean = sum(values) / len(values)
        share = f'{mean / clean:.2f}' if clean > 0 else '-'
        rows.append([name, *(f'{100 * value:.2f}' for value in values), f'{100 * mean:.2f}', share])
    table = text_table([metric, *(f'level {level}' for level in summary['levels']), 'mean', 'of clean'], rows)
    return (
        f'{table}\nWithout corruption: {100 * clean:.2f}. Mean robustness: {100 * summary["mean"]:.2f}. '
        f'Composite robustness: {"-" if summary["composite"] is None else format(summary["composite"], ".3f")}.'
    )


def _select_images(cfg: Config, number: int) -> None:
    """Makes the test set smaller: images that are spread evenly over it."""
    leaves = list(dataset_leaves(cfg.test_dataloader.dataset, 'test_dataloader.dataset'))
    if len(leaves) != 1:
        raise ValueError('A number of images needs a config with a single test set.')
    total = len(Runner.build_dataloader(_loader(cfg)).dataset)
    if not 1 <= number <= total:
        raise ValueError(f'The number of images must be from 1 to {total}, the size of the test set, not {number}.')
    leaves[0][1]['indices'] = [i * total // number for i in range(number)]


def _digest(cfg: Config) -> str:
    """Identifies what is evaluated: the model, its weights, the data and the metric."""
    digest = hashlib.sha256()
    for key in ('model', 'test_dataloader', 'test_evaluator'):
        digest.update(json.dumps(Config(dict(value=cfg[key])).to_dict(), sort_keys=True, default=str).encode())
    weights = asset_path(cfg.load_from) if cfg.load_from.startswith(SCHEME) else Path(cfg.load_from)
    digest.update(weights.read_bytes() if weights.is_file() else cfg.load_from.encode())
    return digest.hexdigest()


def _started(out: Path, settings: dict[str, Any]) -> dict[str, Any]:
    """What an earlier run wrote, or an empty record."""
    record = dict(settings=settings, metric=None, clean={}, corrupted={})
    if not out.exists():
        return record
    with names_file(out, 'give another file for the figures'):
        found = json.loads(out.read_text())
        before = found['settings']
        if not isinstance(found['clean'], dict) or not isinstance(found['corrupted'], dict):
            raise TypeError('no figures of a robustness test')
    if before != settings:
        raise ValueError(
            f"'{out}' has the figures of another model, checkpoint, test set, seed or number of images: give another file, or "
            'delete it.'
        )
    return record | {key: found[key] for key in ('metric', 'clean', 'corrupted')}


def _write(out: str | Path, record: Mapping[str, Any]) -> None:
    write_file(out, (json.dumps(record, indent=1) + '\n').encode())


def _loader(cfg: Config, corruption: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The config of the test dataloader, with a corruption after the first transform, which loads the image."""
    loader = copy.deepcopy(cfg.test_dataloader)
    loader['persistent_workers'] = False
    for _, dataset in dataset_leaves(loader['dataset'], 'test_dataloader.dataset') if corruption else ():
        dataset['pipeline'] = [dataset['pipeline'][0], dict(corruption), *dataset['pipeline'][1:]]
    return loader


@torch.no_grad()
def _evaluate(model: nn.Module, cfg: Config, corruption: Mapping[str, Any] | None = None) -> dict[str, float]:
    loader = Runner.build_dataloader(_loader(cfg, corruption), seed=0)
    evaluator = Evaluator(copy.deepcopy(cfg.test_evaluator))
    evaluator.dataset_meta = loader.dataset.metainfo
    for batch in loader:
        evaluator.process(data_samples=model.test_step(batch), data_batch=batch)
    return {name: float(value) for name, value in evaluator.evaluate(len(loader.dataset)).items()}


@contextmanager
def _quiet() -> Iterator[None]:
    """Hides the tables of the single evaluations."""
    logger = MMLogger.get_current_instance()
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(level)
