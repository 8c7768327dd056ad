"""Command line options shared by training and testing."""

import argparse
import os

from mmengine.config import DictAction


def parse_runner_args(parser: argparse.ArgumentParser) -> argparse.Namespace:
    """Adds the options for every run of mmengine's Runner, and parses the command line.

    Args:
        parser (argparse.ArgumentParser): Parser with the tool's own options.

    Returns:
        argparse.Namespace: The tool's own arguments, ``cfg_options`` and ``launcher``. If a launcher passes the rank as an
        argument, the rank is set in the environment, where mmengine expects it.
    """
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=DictAction,
        metavar='KEY=VALUE',
        help="override settings of the config: a.b=1 c=x,y d='[(1,2),(3,4)]' (lists quoted, without white space)",
    )
    parser.add_argument('--launcher', choices=['none', 'pytorch', 'slurm', 'mpi'], default='none', help='job launcher')
    # Launchers pass the rank as an argument or in the environment.
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0, help=argparse.SUPPRESS)
    args = parser.parse_args()
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    return args
