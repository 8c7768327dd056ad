"""Evaluates a checkpoint on corrupted images: 20 corruptions at 5 levels.

Figures are written after each evaluation. After an interruption, the same command goes on where it was.

Example:
    genvlkt analyze robustness configs/gen_vlkt_tiny_minihoi.py genvlkt://gen_vlkt_tiny_minihoi.pth --num-images 100
"""

import argparse
import sys
from pathlib import Path

from ...datasets.transforms.corruption import CORRUPTIONS
from ...engine import add_cfg_options, command, in_range, testing_config
from ...engine.robustness import measure_robustness, robustness_table


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of the verb."""
    parser.add_argument('config', help='config file')
    parser.add_argument('checkpoint', help='checkpoint file')
    parser.add_argument('--out', help='JSON file for all figures (default: robustness.json in the work folder)')
    parser.add_argument(
        '--corruptions', nargs='+', choices=CORRUPTIONS, metavar='NAME', help='only these (default: all)'
    )
    parser.add_argument(
        '--levels',
        nargs='+',
        type=in_range(int, 1, 5),
        default=[1, 2, 3, 4, 5],
        help='only these levels (default: 1 2 3 4 5)',
    )
    parser.add_argument(
        '--num-images', type=in_range(int, 1, 10**9), help='use so many images, spread over the test set (default: all)'
    )
    parser.add_argument(
        '--seed', type=in_range(int, 0, 2**32 - 1), default=0, help='seed of the corruptions (default: %(default)s)'
    )
    parser.add_argument('--device', help='device such as cpu or cuda:0 (default: the best available one)')
    add_cfg_options(parser)


@command(OSError, ValueError)
def run(args: argparse.Namespace) -> None:
    """Evaluates as the command line says."""
    cfg = testing_config(args.config, args.checkpoint, cfg_options=args.cfg_options)
    out = args.out or Path(cfg.work_dir, 'robustness.json')
    record = measure_robustness(
        cfg,
        out,
        args.corruptions or list(CORRUPTIONS),
        args.levels,
        args.num_images,
        args.seed,
        args.device,
        progress=sys.stderr.isatty(),
    )
    print(robustness_table(record))
    print(f'Figures: {out}')
