"""Training and testing from a config file, for ``genvlkt train`` and ``genvlkt test``."""

import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from mmdet.utils import setup_cache_size_limit_of_dynamo
from mmengine.config import Config
from mmengine.evaluator import DumpResults
from mmengine.fileio import dump
from mmengine.logging import MMLogger, print_log
from mmengine.runner import Runner
from torch import nn

from ..models import GENVLKT, optimize_for_inference
from .arguments import sentence_of
from .bfloat16 import computes_bfloat16
from .checkpoints import AtomicLocalBackend, latest_checkpoint
from .console import FILE_ONLY, shorten_console
from .explanation import ConfigError, config_name, did_you_mean, explained, one_line, place_in_installed_code
from .hooks import CheckpointStartHook
from .preflight import check_parts, check_testing, check_training, dataset_leaves, has_accelerator
from .runner import build_runner


def config_from_file(path: str | Path) -> Config:
    """Reads a config file. The file is a program and is run; whatever error ends it becomes a :class:`ConfigError`."""
    try:
        return Config.fromfile(path)
    except Exception as error:
        frame = traceback.extract_tb(error.__traceback__)[-1]
        where = '' if isinstance(error, (OSError, SyntaxError)) else f' ({frame.filename}:{frame.lineno})'
        raise ConfigError(
            f'The config file {path} cannot be read: {type(error).__name__}: {one_line(error)}{where}'
        ) from error


def load_config(
    config: str | Path,
    cfg_options: Mapping[str, Any] | None = None,
    work_dir: str | Path | None = None,
    launcher: str = 'none',
) -> Config:
    """Reads a config file and applies the options of the command line.

    Args:
        config (str | Path): The config file.
        cfg_options (Mapping, optional): Overrides, with dotted keys.
        work_dir (str | Path, optional): Folder for logs and checkpoints. Defaults to the config's ``work_dir``, or
            ``work_dirs/<name of the config>``.
        launcher (str): mmengine's launcher: 'none', 'pytorch', 'slurm' or 'mpi'.

    Returns:
        Config: The config for the Runner.

    Raises:
        FileNotFoundError: If the config file does not exist.
        ConfigError: If it cannot be read, or the overrides do not fit it.
    """
    path = Path(config)
    if not path.is_file():
        others = [str(other) for other in path.parent.glob('*.py')] if path.parent.is_dir() else []
        near = did_you_mean(str(path), others, ': check its path.')
        raise FileNotFoundError(f'The config file {path} does not exist{near}')
    cfg = config_from_file(path)
    cfg.launcher = launcher
    try:
        cfg.merge_from_dict(dict(cfg_options or {}))
    except (TypeError, KeyError, AttributeError, IndexError, AssertionError) as error:
        text = error.args[0] if error.args else error
        raise ConfigError(f'--cfg-options do not fit the config file {path}: {text}') from error
    if work_dir is not None:
        cfg.work_dir = str(work_dir)
    elif cfg.get('work_dir') is None:
        cfg.work_dir = str(Path('work_dirs', path.stem))
    return cfg


def _need_checkpoint(file: str) -> None:
    """Refuses a local checkpoint that does not exist. Addresses with a scheme are checked by their loader."""
    if '://' not in file and not Path(file).expanduser().is_file():
        raise FileNotFoundError(f'The checkpoint file {file} does not exist: check its path.')


def training_config(
    config: str | Path,
    *,
    work_dir: str | Path | None = None,
    cfg_options: Mapping[str, Any] | None = None,
    amp: bool = False,
    auto_scale_lr: bool = False,
    resume: bool | str = False,
    launcher: str = 'none',
) -> Config:
    """Prepares the config of a training.

    Args:
        config (str | Path): The config file.
        work_dir (str | Path, optional): As in :func:`load_config`.
        cfg_options (Mapping, optional): As in :func:`load_config`.
        amp (bool): Whether to train with automatic mixed precision: bfloat16 where the GPU or CPU has instructions for it,
            else float16 on a GPU.
        auto_scale_lr (bool): Whether to scale the learning rate from the config's batch size to the real one.
        resume (bool | str): True: continue from the latest checkpoint in the work folder, or start from the beginning if there
            is none. A path: continue from that file.
        launcher (str): As in :func:`load_config`.

    Returns:
        Config: The config for :func:`train_model`.

    Raises:
        FileNotFoundError: If the config or the checkpoint to resume from does not exist.
        ConfigError: If the config cannot be read, or if the learning rate is to be scaled and the config has no base batch
            size.
    """
    cfg = load_config(config, cfg_options, work_dir, launcher)
    if amp:
        check_parts(cfg, 'train')
        if computes_bfloat16():
            cfg.optim_wrapper.type = 'BFloat16OptimWrapper'
        else:
            cfg.optim_wrapper.update(type='AmpOptimWrapper', loss_scale='dynamic')
    if auto_scale_lr:
        if 'base_batch_size' not in cfg.get('auto_scale_lr', {}):
            raise ConfigError(f'{config} has no auto_scale_lr.base_batch_size, so the learning rate cannot be scaled.')
        cfg.auto_scale_lr.enable = True
    checkpoint = resume or None
    if resume is True:
        hook = cfg.get('default_hooks', {}).get('checkpoint') or {}
        checkpoint = latest_checkpoint(cfg.work_dir, hook.get('out_dir'))
    if checkpoint is not None:
        _need_checkpoint(checkpoint)
        cfg.resume, cfg.load_from = True, checkpoint
    elif resume:
        # Not cfg.resume: mmengine would then ignore `load_from` and start from random weights.
        print_log(f'No checkpoint in {cfg.work_dir} yet: training starts from the beginning.', logger='current')
        cfg.resume = False
    return cfg


def testing_config(
    config: str | Path,
    checkpoint: str,
    *,
    work_dir: str | Path | None = None,
    cfg_options: Mapping[str, Any] | None = None,
    launcher: str = 'none',
) -> Config:
    """Prepares the config of a test.

    Args:
        config (str | Path): The config file.
        checkpoint (str): The checkpoint to evaluate, as a file or an address that mmengine can load.
        work_dir (str | Path, optional): As in :func:`load_config`.
        cfg_options (Mapping, optional): As in :func:`load_config`.
        launcher (str): As in :func:`load_config`.

    Returns:
        Config: The config for :func:`test_model`.

    Raises:
        FileNotFoundError: If the config or the checkpoint does not exist.
        ConfigError: If the config cannot be read, or the overrides do not fit it.
    """
    cfg = load_config(config, cfg_options, work_dir, launcher)
    _need_checkpoint(checkpoint)
    cfg.load_from, cfg.resume = checkpoint, False
    return cfg


def _start_processes(cfg: Config) -> None:
    """Connects the processes of a launcher on a machine without GPU, where mmengine would require one."""
    if cfg.get('launcher', 'none') == 'none' or has_accelerator():
        return
    if cfg.launcher != 'pytorch':
        raise ConfigError(f'The launcher {cfg.launcher} needs GPUs, and there is none here: use tools/dist_train.sh.')
    if not torch.distributed.is_initialized():
        # Without a launcher, the variables of the environment are missing that say where the others are.
        explained(
            lambda: torch.distributed.init_process_group('gloo'), f'launcher={cfg.launcher} (see tools/dist_train.sh)'
        )
    wrapper = dict(
        type='MMDistributedDataParallel',
        broadcast_buffers=False,
        find_unused_parameters=cfg.get('find_unused_parameters', False),
    )
    # Explicit, because mmengine otherwise selects a GPU for each process.
    cfg.model_wrapper_cfg = dict(cfg.get('model_wrapper_cfg') or wrapper, device_ids=None)


def train_model(cfg: Config, verbose: bool = True) -> nn.Module:
    """Trains a model.

    Args:
        cfg (Config): Config from :func:`training_config`.
        verbose (bool): Whether the console shows the full log. False: one line per logging step. Defaults to True.

    Returns:
        nn.Module: The trained model.

    Raises:
        ConfigError: If a setting is unknown or impossible, or model and dataset do not agree.
        CheckpointError: If the checkpoint to start from cannot be used, or, when resuming, belongs to another config.
        FileNotFoundError: If data or weights that the training needs are missing.
    """
    if not verbose:
        shorten_console(MMLogger.get_current_instance())
    setup_cache_size_limit_of_dynamo()
    model, finished = check_training(cfg)
    if finished:
        print_log(
            f'The training is finished: {cfg.load_from} is its last checkpoint. To train longer, raise '
            f'{"train_cfg.max_epochs" if "max_epochs" in cfg.train_cfg else "train_cfg.max_iters"}.',
            logger='current',
        )
        return model
    del model
    _start_processes(cfg)
    runner = build_runner(cfg, verbose)
    if not any(isinstance(hook, CheckpointStartHook) for hook in runner.hooks):
        runner.register_hook(CheckpointStartHook())
    return _run(runner.train, runner, 'training', verbose)


def _run(call: Callable[[], Any], runner: Runner, what: str, verbose: bool) -> Any:
    """Runs a training or test. On the short console, an error in installed code is a sentence; the log has its traceback."""
    try:
        return call()
    except Exception as error:
        place = place_in_installed_code(error)
        if verbose or place is None or sentence_of(error) is not None:
            raise
        runner.logger.error(traceback.format_exc(), extra=FILE_ONLY)
        kind = type(error).__name__
        text = one_line(str(error).strip().rpartition('\n')[2]).removeprefix(
            f'{kind}: '
        )  # the last line of a worker's traceback
        raise ConfigError(
            f'The {what} ended with {kind}: {text} ({place}). Check the settings; the traceback is in '
            f'{runner.log_dir}/{runner.timestamp}.log.'
        ) from error


class _Dump(DumpResults):
    """mmengine's, which writes in place."""

    def compute_metrics(self, results: list) -> dict:
        dump(results, self.out_file_path, backend_args=dict(backend=AtomicLocalBackend.name))
        return {}


def _use_tta_pipeline(cfg: Config) -> None:
    """Gives the test sets of a config the pipeline of its test-time augmentation."""
    for name in ('tta_model', 'tta_pipeline'):
        if not cfg.get(name):
            raise ConfigError(
                f'The config {config_name(cfg)} has no `{name}`, which test-time augmentation needs: add its settings, as in '
                'configs/_base_/datasets/hico_det.py.'
            )
    loader = cfg.get('test_dataloader')
    for _, dataset in dataset_leaves(loader.get('dataset') if isinstance(loader, Mapping) else None, 'test_dataloader'):
        dataset['pipeline'] = cfg.tta_pipeline


def test_model(
    cfg: Config,
    out: str | Path | None = None,
    verbose: bool = True,
    optimize: bool = True,
    dtype: str = 'float32',
    compile: bool | str = False,
    tta: bool = False,
    boxes: bool = False,
) -> dict[str, float]:
    """Evaluates a checkpoint on the config's test set.

    Args:
        cfg (Config): Config from :func:`testing_config`.
        out (str | Path, optional): File for the predictions, ending with ``.pkl`` or ``.pickle``.
        verbose (bool): See :func:`train_model`.
        optimize (bool): Whether the model is first passed to :func:`~genvlkt_mmdet.models.optimize_for_inference`. Defaults to
            True.
        dtype (str): Precision of the optimised model. Defaults to float32, on a GPU too, for figures that do not depend on it.
        compile (bool | str): Whether the optimised model is compiled.
        tta (bool): Whether to test with augmentation: the views of the config's ``tta_pipeline``, merged by its ``tta_model``.
        boxes (bool): Whether to also evaluate persons and objects alone, with :class:`~genvlkt_mmdet.evaluation.HOIBoxMetric`.

    Returns:
        dict[str, float]: The metrics.

    Raises:
        ConfigError: If ``out`` has another ending, a setting is unknown or impossible, or model and dataset do not agree.
        CheckpointError: If the checkpoint cannot be used or belongs to another config.
        FileNotFoundError: If the data is missing.
    """
    if out is not None and Path(out).suffix not in ('.pkl', '.pickle'):
        raise ConfigError(f'The predictions are dumped as a pickle file: {out} has to end in .pkl or .pickle.')
    if not verbose:
        shorten_console(MMLogger.get_current_instance())
    setup_cache_size_limit_of_dynamo()
    if tta:
        _use_tta_pipeline(cfg)
    check_testing(cfg)
    if tta:
        cfg.model = dict(cfg.tta_model, module=cfg.model)
    if boxes:
        evaluators = cfg.test_evaluator
        evaluators = [evaluators] if isinstance(evaluators, Mapping) else list(evaluators)
        cfg.test_evaluator = [*evaluators, dict(type='HOIBoxMetric')]
    _start_processes(cfg)
    runner = build_runner(cfg, verbose)
    if out is not None:
        runner.test_evaluator.metrics.append(_Dump(out_file_path=str(out)))
    model = runner.model
    while not isinstance(model, GENVLKT) and hasattr(
        model, 'module'
    ):  # several processes and tta have wrappers around it
        model = model.module
    if optimize and isinstance(model, GENVLKT):
        optimize_for_inference(model, dtype, compile)
    return _run(runner.test, runner, 'test', verbose)


# For pytest: these are no tests, whatever their names.
test_model.__test__ = testing_config.__test__ = False
