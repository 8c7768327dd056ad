"""Renders the MiniHOI benchmark to a folder.

Examples:
    genvlkt data render                                               # all of it, to data/minihoi
    genvlkt data render few --splits test --images 40 --seed 7
"""

import argparse

from ...engine import command, in_range
from ...minihoi import DIFFICULTIES, SPLIT_SIZES, render_minihoi


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of the verb."""
    parser.add_argument('root', nargs='?', default='data/minihoi', help='folder of the dataset')
    parser.add_argument(
        '--splits',
        nargs='+',
        default=['train', 'val', 'test'],
        metavar='SPLIT',
        help=f'any of {", ".join(SPLIT_SIZES)}',
    )
    parser.add_argument('--seed', type=in_range(int, 0, 2**32 - 1), default=0)
    parser.add_argument('--workers', type=in_range(int, 1, 1024), default=2, help='number of processes')
    parser.add_argument('--difficulty', default='default', help=f'one of {", ".join(DIFFICULTIES)}')
    parser.add_argument('--images', type=int, help='number of images of each split (default: each its own)')
    parser.add_argument('--overwrite', action='store_true', help='render anew what was rendered with other options')


@command(OSError, ValueError)
def run(args: argparse.Namespace) -> None:
    """Renders as the command line says."""
    render_minihoi(
        args.root,
        splits=args.splits,
        seed=args.seed,
        workers=args.workers,
        difficulty=args.difficulty,
        sizes=None if args.images is None else dict.fromkeys(SPLIT_SIZES, args.images),
        overwrite=args.overwrite,
    )
