"""What the command lines of training and testing have in common."""

import argparse
import os

from mmengine.config import DictAction


def parse_runner_args(parser: argparse.ArgumentParser) -> argparse.Namespace:
    """Adds the options that every run of mmengine's Runner takes, and reads the command line.

    Args:
        parser (argparse.ArgumentParser): Parser with the tool's own options.

    Returns:
        argparse.Namespace: The arguments; besides the tool's own ``cfg_options``, ``verbose`` and ``launcher``. The rank that a
        launcher passes by argument is put into the environment, where mmengine looks for it.
    """
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=DictAction,
        metavar='KEY=VALUE',
        help="override settings of the config: a.b=1 c=x,y d='[(1,2),(3,4)]' (lists quoted, without white space)",
    )
    parser.add_argument('--verbose', action='store_true', help='show all that the log file holds')
    parser.add_argument('--launcher', choices=['none', 'pytorch', 'slurm', 'mpi'], default='none', help='job launcher')
    # Launchers pass the rank by argument or by environment.
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0, help=argparse.SUPPRESS)
    args = parser.parse_args()
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    return args
