"""What the command lines of the tools have in common."""

import argparse
import ast
import contextlib
import functools
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from mmengine.config import DictAction

from .checkpoints import CheckpointError
from .explanation import ConfigError, one_line


class _CfgOptions(DictAction):
    """mmengine's action for settings, which also reads dicts: ``"[{'type':'A'}]"``.

    A text that it cannot read ends the program as any other wrong option does.
    """

    @staticmethod
    def _parse_iterable(val: str) -> Any:
        if '{' not in val:
            return DictAction._parse_iterable(val)
        try:
            return ast.literal_eval(val)
        except SyntaxError as error:
            raise ValueError(f'{val} is no list or dict ({error.msg})') from None

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: Any, option: str | None = None
    ) -> None:
        try:
            super().__call__(parser, namespace, values, option)
        except (ValueError, AssertionError) as error:
            parser.error(f'{option}: {one_line(error)}: give KEY=VALUE, with lists quoted and without white space')


def add_cfg_options(parser: argparse.ArgumentParser) -> None:
    """Adds ``--cfg-options``, which override settings of the config."""
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=_CfgOptions,
        metavar='KEY=VALUE',
        help="override settings of the config: a.b=1 c=x,y d='[(1,2),(3,4)]' (lists quoted, without white space)",
    )


def add_runner_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of every run of mmengine's Runner: ``cfg_options``, ``verbose`` and ``launcher``."""
    add_cfg_options(parser)
    parser.add_argument('--verbose', action='store_true', help='show all that the log file holds')
    parser.add_argument('--launcher', choices=['none', 'pytorch', 'slurm', 'mpi'], default='none', help='job launcher')
    # Launchers pass the rank as an argument or in the environment, where mmengine expects it.
    parser.add_argument('--local_rank', '--local-rank', type=_set_local_rank, default='0', help=argparse.SUPPRESS)


def _set_local_rank(text: str) -> int:
    os.environ.setdefault('LOCAL_RANK', str(int(text)))
    return int(text)


def add_optimization_arguments(parser: argparse.ArgumentParser, dtype: str) -> None:
    """Adds the options of :func:`~genvlkt_mmdet.models.optimize_for_inference`: ``optimize``, ``dtype`` and ``compile``."""
    group = parser.add_argument_group('speed')
    group.add_argument(
        '--no-optimize',
        dest='optimize',
        action='store_false',
        help='run the network as it is trained, without folded batch norm; --dtype and --compile then do nothing',
    )
    group.add_argument(
        '--dtype',
        choices=['auto', 'float32', 'bfloat16', 'float16'],
        default=dtype,
        help='precision of backbone and encoder; auto is float16 on a GPU, else float32 (default: %(default)s)',
    )
    group.add_argument('--compile', action='store_true', help='compile the network first, which takes minutes')


def command(*errors: type[Exception]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Decorator of a verb's ``run`` or a tool's ``main``: a mistake of the user ends it with one line instead of a traceback.

    The exit code is 1 after an error of the user, 130 after Ctrl-C, and 2 if a value of the command line is empty. An empty
    value comes from a shell variable that is not set, and Python would take it for the current folder. Any other error is a
    fault of the program and keeps its traceback.

    Args:
        *errors (type[Exception]): Errors whose message is shown, whoever raises them. Of other errors, only the message of those
            in :func:`sentence_of` is shown.

    Returns:
        Callable: The decorator.
    """

    def decorate(main: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(main)
        def run(*args: Any) -> None:
            for before, value in zip(sys.argv, sys.argv[1:]):
                if not value or (value.startswith('--') and value.endswith('=')):
                    place = (
                        f"'{value}'" if value else f"after '{before}'" if before != sys.argv[0] else 'at the beginning'
                    )
                    print(f'error: a value of the command line is empty: {place}.', file=sys.stderr)
                    sys.exit(2)
            try:
                main(*args)
            except BrokenPipeError:  # as of `| head`: Python would complain once more when it flushes the output
                with contextlib.suppress(OSError):
                    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
                sys.exit(1)
            except (Exception, KeyboardInterrupt) as error:
                if _interrupted(error):
                    print(
                        'Interrupted. All files that were written are complete; `genvlkt train` goes on with --resume.',
                        file=sys.stderr,
                    )
                    sys.exit(130)
                told = _sentence(error) if isinstance(error, errors) else sentence_of(error)
                if told is None:
                    raise
                sys.exit(f'error: {told}')

        return run

    return decorate


def _interrupted(error: BaseException | None) -> bool:
    """Whether Ctrl-C led to an error. mmengine turns it into a SyntaxError while it formats a config."""
    return error is not None and (
        isinstance(error, KeyboardInterrupt) or _interrupted(error.__cause__ or error.__context__)
    )


def sentence_of(error: Exception) -> str | None:
    """Returns the message of an error that this package raises, or the system for a file. None for any other error.

    Another error is a fault, and its traceback is needed. The error can also come from a process that loads data.
    """
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        told = one_line(error)[:200] or type(error).__name__
        return f'The memory is not enough ({told}): take smaller batches or images.'
    text, own = str(error), str(Path(__file__).parents[1])
    head, of_worker, lines = text.partition('\nOriginal Traceback')
    if of_worker:  # torch sends the text of the traceback, whose last line is the error
        *frames, last = lines.strip().splitlines()
        files = [line for line in frames if line.lstrip().startswith('File "')]
        told = last.partition(': ')[2]
        from_here = bool(files) and own in files[-1]
    else:
        told = text
        from_here = traceback.extract_tb(error.__traceback__)[-1].filename.startswith(own)
    if isinstance(error, (OSError, CheckpointError, ConfigError)):
        return told
    return told if from_here and isinstance(error, (ValueError, FloatingPointError)) else None


def _sentence(error: Exception) -> str:
    """The message of an error on one line."""
    if isinstance(error, OSError) and error.filename is not None and error.strerror:
        text = f"'{os.fspath(error.filename)}': {error.strerror}."
    else:  # the text of a KeyError with a sentence would stand in quotes
        text = str(error.args[0] if isinstance(error, KeyError) and error.args else error)
    return one_line(text) or type(error).__name__


def in_range(kind: type[int] | type[float], low: float, high: float) -> Callable[[str], float]:
    """Returns a ``type`` for an argument that is an ``int`` or ``float`` from ``low`` to ``high``. NaN is in no range.

    Examples:
        >>> in_range(float, 0, 1)('0.5')
        0.5
    """

    def number(text: str) -> float:
        value = kind(text)
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f'{text} is not from {low} to {high}')
        return value

    return number
