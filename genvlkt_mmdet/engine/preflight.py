"""Checks settings, data, weights and files before a Runner is built.

A Runner logs hundreds of lines and reads data for a while before it finds most mistakes. Here, a trial model is built, the
datasets are built without reading their annotations, and the checkpoint is loaded into the trial model.
"""

import copy
import inspect
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.dataset import BaseDataset
from mmengine.device import is_cuda_available, is_mlu_available, is_musa_available, is_npu_available
from mmengine.registry import DATASETS, MODELS, DefaultScope, Registry
from torch import nn

from ..converters import load_checkpoint
from .checkpoints import CheckpointError, check_resumable, fitting_weights, load_weights, vocabulary_difference
from .explanation import ConfigError, config_name, explained


def check_training(cfg: Config) -> tuple[nn.Module, bool]:
    """Checks everything that a training needs.

    Returns:
        tuple[nn.Module, bool]: The trial model, with the weights of the checkpoint if the training resumes, and whether that
        checkpoint is from the end of the training.

    Raises:
        ConfigError: If a setting is unknown or impossible, or two settings contradict each other.
        CheckpointError: If the checkpoint to start from cannot be used.
        FileNotFoundError: If annotations, images, the checkpoint, the DETR or CLIP are missing.
    """
    with scope_of(cfg):
        check_parts(cfg, 'train')
        _check_precision(cfg)
        datasets = _check_datasets(cfg, ('train_dataloader', 'val_dataloader'))
        model = build_model(cfg)
        _check_agreement(model, datasets)
        finished, file = False, cfg.get('load_from')
        if file is not None:
            checkpoint = load_checkpoint(file)
            if cfg.get('resume'):
                load_weights(model, checkpoint, file, config_name(cfg))
                check_resumable(checkpoint, file)
                finished = explained(lambda: _is_finished(cfg, checkpoint['meta']), 'train_cfg')
            names = fitting_weights(model, checkpoint, file)
            if not names:
                raise CheckpointError(
                    f'The checkpoint {file}, named in load_from, has none of the weights of this model: give another one.'
                )
            if hasattr(model, 'expect_weights'):
                model.expect_weights(names)
        if hasattr(model, 'check_files') and not finished:
            explained(model.check_files, 'model')
    return model, finished


def check_testing(cfg: Config) -> None:
    """Checks everything that a test of the checkpoint ``cfg.load_from`` needs. Raises errors as :func:`check_training`."""
    with scope_of(cfg):
        datasets = _check_datasets(cfg, ('test_dataloader',))
        model = build_model(cfg)
        _check_agreement(model, datasets)
        load_weights(model, load_checkpoint(cfg.load_from), cfg.load_from, config_name(cfg))
        check_parts(cfg, 'test')


def has_accelerator() -> bool:
    """Whether there is a GPU of NVIDIA or AMD, or an NPU, MLU or MUSA, for mmengine's mixed precision and launchers."""
    return is_cuda_available() or is_npu_available() or is_mlu_available() or is_musa_available()


def scope_of(cfg: Config) -> AbstractContextManager:
    """Makes the config's ``default_scope`` the current one while the context is open."""
    scope = cfg.get('default_scope', 'mmengine')
    if scope is not None and not isinstance(scope, str):
        raise ConfigError(f'default_scope must be a name such as mmdet, not {scope!r}.')
    return DefaultScope.overwrite_default_scope(scope)


# The parts that a Runner needs together.
_PARTS = dict(
    train=('train_dataloader', 'train_cfg', 'optim_wrapper'),
    val=('val_dataloader', 'val_cfg', 'val_evaluator'),
    test=('test_dataloader', 'test_cfg', 'test_evaluator'),
)


def check_parts(cfg: Config, needed: str) -> None:
    """Refuses a config that lacks a part of a training or test."""
    for use, names in _PARTS.items():
        given = [name for name in names if isinstance(cfg.get(name), (Mapping, list, tuple))]
        lacking = [name for name in names if name not in given]
        if lacking and (given or use == needed):
            others = ' and '.join(name for name in names if name != lacking[0])
            raise ConfigError(
                f'The config {config_name(cfg)} has no `{lacking[0]}`, which belongs to {others}: add its settings.'
            )


def _check_precision(cfg: Config) -> None:
    kind = cfg.get('optim_wrapper', {}).get('type')
    if getattr(kind, '__name__', kind) == 'AmpOptimWrapper' and not has_accelerator():
        raise ConfigError(
            'Mixed precision in float16 (AmpOptimWrapper) needs a GPU, and there is none here. --amp takes bfloat16 on a '
            'CPU that has instructions for it, which this one has not: train without it.'
        )


def _is_finished(cfg: Config, meta: Mapping[str, Any]) -> bool:
    train_cfg = cfg.train_cfg
    if train_cfg.get('max_epochs') is not None:
        return meta['epoch'] >= train_cfg.max_epochs
    return train_cfg.get('max_iters') is not None and meta['iter'] >= train_cfg.max_iters


def dataset_leaves(dataset: Any, path: str) -> Iterator[tuple[str, Mapping]]:
    """Yields place and config of each dataset in wrappers such as ``ConcatDataset`` and ``RepeatDataset``."""
    if not isinstance(dataset, Mapping):
        return
    if isinstance(dataset.get('datasets'), (list, tuple)):
        for i, part in enumerate(dataset['datasets']):
            yield from dataset_leaves(part, f'{path}.datasets[{i}]')
    elif isinstance(dataset.get('dataset'), Mapping):
        yield from dataset_leaves(dataset['dataset'], f'{path}.dataset')
    else:
        yield path, dataset


def _check_datasets(cfg: Config, loaders: tuple[str, ...]) -> dict[str, BaseDataset]:
    """Builds every dataset without reading it, and checks that its files are there.

    Returns:
        dict[str, BaseDataset]: The datasets by their place in the config.
    """
    datasets = {}
    for loader in loaders:
        given = cfg.get(loader)
        dataset = given.get('dataset') if isinstance(given, Mapping) else None
        for path, leaf in dataset_leaves(dataset, f'{loader}.dataset'):
            kind = leaf.get('type')
            if isinstance(kind, str):
                with DATASETS.switch_scope_and_registry(None) as registry:
                    kind = registry.get(kind)
            if not (inspect.isclass(kind) and issubclass(kind, BaseDataset)):
                continue
            datasets[path] = built = _build(DATASETS, dict(leaf, lazy_init=True), path)
            if hasattr(built, 'check_files'):
                explained(built.check_files, path)
            elif built.ann_file and '://' not in built.ann_file and not Path(built.ann_file).is_file():
                raise FileNotFoundError(f"Annotation file '{built.ann_file}' of {path} is missing: check its path.")
    return datasets


def _check_agreement(model: nn.Module, datasets: Mapping[str, BaseDataset]) -> None:
    """Refuses a model whose classes differ from those of a dataset. The network would fail with an error about shapes."""
    head = getattr(model, 'bbox_head', None)
    if not hasattr(head, 'trained_vocabulary'):
        return
    for path, dataset in datasets.items():
        vocabulary = getattr(dataset, 'vocabulary', None)
        if vocabulary is None:
            continue
        if difference := vocabulary_difference(head.trained_vocabulary, vocabulary):
            raise ConfigError(
                f'model.bbox_head.vocabulary and {path}.vocabulary do not agree (the model first): {difference}; set both to '
                'the same vocabulary.'
            )
        # In testing, the split of the dataset only selects what is reported.
        reported_only = dataset.test_mode and None in (dataset.zero_shot, head.zero_shot)
        if dataset.zero_shot != head.zero_shot and not reported_only:
            raise ConfigError(
                f'model.bbox_head.zero_shot is {head.zero_shot!r}, but {path}.zero_shot is {dataset.zero_shot!r}: set both to '
                'the same split, or both to None.'
            )


def build_model(cfg: Config) -> nn.Module:
    """Builds the model of a config.

    Args:
        cfg (Config): The config.

    Returns:
        nn.Module: The model, with the weights that it starts with.

    Raises:
        ConfigError: If there is no model, or a setting of it is unknown or impossible.
    """
    if not cfg.get('model'):
        raise ConfigError(f'The config {config_name(cfg)} has no `model`: give the config of a detector.')
    with scope_of(cfg):
        return _build(MODELS, cfg.model, 'model')


def _build(registry: Registry, cfg: Mapping[str, Any], path: str) -> Any:
    """Builds one part of a config as a trial."""
    # A trial must not change the random numbers or objects of the Runner.
    with torch.random.fork_rng(devices=[]):
        return explained(lambda: registry.build(copy.deepcopy(cfg)), path)
