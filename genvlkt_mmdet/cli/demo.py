"""Trains the small model on MiniHOI, evaluates it, draws its predictions and diagnoses its errors.

Examples:
    genvlkt demo
    genvlkt demo --seed 1 --work-dir work_dirs/seed_1 --images 20

The last line printed is JSON: full, rare and non_rare mAP in [0, 1], minutes, the files of the drawings, the gains of mAP if
each kind of error were fixed, and the page of the diagnosis.
"""

import argparse
import json

from ..apis.configs import config_file
from ..engine import command, in_range
from ..evaluation.reporting.diagnosis import TITLES, points
from ..minihoi import run_demo


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of the verb."""
    parser.add_argument(
        '--config',
        type=config_file,
        default='gen_vlkt_tiny_minihoi',
        help='config of the training, or name of a shipped one (default: %(default)s)',
    )
    parser.add_argument(
        '--work-dir', default='work_dirs/demo', help='folder for logs, checkpoints and drawings (default: %(default)s)'
    )
    parser.add_argument('--seed', type=int, default=0, help='seed of the training (default: %(default)s)')
    parser.add_argument('--resume', action='store_true', help='continue from the last checkpoint in the work folder')
    parser.add_argument('--images', type=in_range(int, 1, 1_000_000), default=8, help='number of test images to draw')


@command()
def run(args: argparse.Namespace) -> None:
    """Runs the demo and prints its figures."""
    result = run_demo(args.config, args.work_dir, args.seed, args.resume, args.images)
    print(f'mAP on the MiniHOI test split, official HICO-DET protocol, after {result["minutes"]:.1f} minutes:')
    print(
        '  '.join(
            f'{name} {100 * result[key]:.2f}'
            for name, key in (('Full', 'full'), ('Rare', 'rare'), ('Non-rare', 'non_rare'))
        )
    )
    gains = ', '.join(f'{TITLES[kind]} {points(gain)}' for kind, gain in list(result['gains'].items())[:4])
    print(f'mAP points if one kind of error were fixed: {gains}')
    print(f'What goes wrong, with images: {result["diagnosis"]}')
    print(f'Ground truth beside prediction: {result["drawings"][-1]}')
    print(json.dumps(result))
