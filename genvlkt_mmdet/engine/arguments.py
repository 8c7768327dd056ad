"""What the command lines of the tools have in common."""

import argparse
import functools
import os
import sys
from collections.abc import Callable

from mmengine.config import DictAction


def parse_runner_args(parser: argparse.ArgumentParser) -> argparse.Namespace:
    """Adds the options that every run of mmengine's Runner takes, and reads the command line.

    Args:
        parser (argparse.ArgumentParser): Parser with the tool's own options.

    Returns:
        argparse.Namespace: The arguments; besides the tool's own ``cfg_options`` and ``launcher``. The rank that a
        launcher passes by argument is put into the environment, where mmengine looks for it.
    """
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=DictAction,
        metavar='KEY=VALUE',
        help="override settings of the config: a.b=1 c=x,y d='[(1,2),(3,4)]' (lists quoted, without white space)",
    )
    parser.add_argument('--launcher', choices=['none', 'pytorch', 'slurm', 'mpi'], default='none', help='job launcher')
    # Launchers pass the rank by argument or by environment.
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0, help=argparse.SUPPRESS)
    args = parser.parse_args()
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    return args


def command(*errors: type[Exception]) -> Callable[[Callable[[], None]], Callable[[], None]]:
    """Decorator of a tool's ``main``: a mistake of the user ends it with one line instead of a traceback.

    The exit code is 1 after one of the errors, and 2 where a value of the command line is empty: that comes from a variable of
    the shell that is not set, and Python would take it for the current folder. Any other error is a fault of the program and
    keeps its traceback.

    Args:
        *errors (type[Exception]): The errors whose message is a sentence for the user.

    Returns:
        Callable: The decorator.
    """

    def decorate(main: Callable[[], None]) -> Callable[[], None]:
        @functools.wraps(main)
        def run() -> None:
            for before, value in zip(sys.argv, sys.argv[1:]):
                if not value or (value.startswith('--') and value.endswith('=')):
                    place = (
                        f"'{value}'" if value else f"after '{before}'" if before != sys.argv[0] else 'at the beginning'
                    )
                    print(f'error: a value of the command line is empty: {place}.', file=sys.stderr)
                    sys.exit(2)
            try:
                main()
            except errors as error:
                sys.exit(f'error: {_sentence(error)}')

        return run

    return decorate


def _sentence(error: Exception) -> str:
    """The message of an error on one line."""
    if isinstance(error, OSError) and error.filename is not None and error.strerror:
        text = f"'{os.fspath(error.filename)}': {error.strerror}."
    else:  # the text of a KeyError with a sentence would stand in quotes
        text = str(error.args[0] if isinstance(error, KeyError) and error.args else error)
    return ' '.join(text.split()) or type(error).__name__


def in_range(kind: type[int] | type[float], low: float, high: float) -> Callable[[str], float]:
    """The ``type`` of an argument that is a number of a range; NaN is in none.

    Args:
        kind (type): ``int`` or ``float``.
        low (float): The lowest value.
        high (float): The highest value.

    Returns:
        Callable: Parses the text of the argument.

    Example:
        >>> in_range(float, 0, 1)('0.5')
        0.5
    """

    def number(text: str) -> float:
        value = kind(text)
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f'{text} is not from {low} to {high}')
        return value

    return number
