"""Converts HICO-DET's release (anno_bbox.mat, anno.mat) to the JSON for the configs.

Example:
    genvlkt convert hico data/hico_20160224_det
"""

import argparse
from pathlib import Path

from ...datasets.formats import convert_hico
from ...engine import command, in_range


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of the verb."""
    parser.add_argument('release', type=Path, help='folder with anno_bbox.mat and anno.mat')
    parser.add_argument('--out-dir', type=Path, help='folder for the JSON files (default: annotations in the release)')
    parser.add_argument(
        '--merge-iou',
        type=in_range(float, 0, 1),
        default=0.5,
        help='in the training file, boxes of a pair that overlap this much become one; 0: none (default: %(default)s)',
    )


@command(OSError, ValueError)
def run(args: argparse.Namespace) -> None:
    """Converts as the command line says."""
    files = convert_hico(args.release, args.out_dir or args.release / 'annotations', args.merge_iou)
    print('\n'.join(f'written: {file}' for file in files))
