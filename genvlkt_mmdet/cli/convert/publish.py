"""Writes only the weights of a training checkpoint, in half precision.

Example:
    genvlkt convert publish work_dirs/detr_tiny_minihoi/iter_6500.pth detr_tiny.pth
"""

import argparse

from ...converters.publish import publish_checkpoint
from ...engine import command


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of the verb."""
    parser.add_argument('source', help='checkpoint of a training')
    parser.add_argument('target', help='file to write')
    parser.add_argument('--full-precision', action='store_true', help='keep float32')
    parser.add_argument('--drop', nargs='*', default=[], metavar='PREFIX', help='leave out weights that begin so')


@command(OSError, ValueError)
def run(args: argparse.Namespace) -> None:
    """Writes the file as the command line says."""
    size = publish_checkpoint(args.source, args.target, not args.full_precision, args.drop)
    print(f'{args.target}: {size / 1e6:.2f} MB')
