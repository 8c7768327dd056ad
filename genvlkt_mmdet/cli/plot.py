"""Draws losses and mAP of one or several trainings into one image.

Examples:
    genvlkt plot work_dirs/gen_vlkt_tiny_minihoi
    genvlkt plot work_dirs/run_a work_dirs/run_b --out compare.png --keys hico/full loss
"""

import argparse
import sys
from pathlib import Path

from ..engine import command
from ..plotting import save_figure
from ..visualization.training_curves import plot_trainings, read_training_log


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of the verb."""
    parser.add_argument(
        'logs', type=Path, nargs='+', metavar='LOG', help='work folder of a training, or a scalars.json'
    )
    parser.add_argument('--out', type=Path, default=Path('curves.png'), help='image file (default: %(default)s)')
    parser.add_argument('--keys', nargs='+', help='scalars to draw (default: mAP and losses)')


@command(OSError, ValueError)
def run(args: argparse.Namespace) -> None:
    """Draws what the command line says."""
    logs = [read_training_log(path) for path in args.logs]
    save_figure(plot_trainings(logs, args.keys), args.out)
    for path, log in zip(args.logs, logs, strict=True):
        if log.damaged:
            print(f'{path}: {log.damaged} damaged lines were left out.', file=sys.stderr)
    print(args.out)
