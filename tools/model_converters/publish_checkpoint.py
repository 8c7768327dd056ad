"""Writes only the weights of a training checkpoint, in half precision.

Example:
    python tools/model_converters/publish_checkpoint.py work_dirs/detr_tiny_minihoi/iter_6500.pth detr_tiny.pth
"""

import genvlkt_mmdet  # noqa: F401, I001  (first: compat allows mmengine's checkpoints to load safely)

import argparse

from genvlkt_mmdet.converters.publish import publish_checkpoint
from genvlkt_mmdet.engine import command


@command(OSError, ValueError)
def main() -> None:
    """Reads the command line and writes the file."""
    parser = argparse.ArgumentParser(description='Strip a checkpoint to its weights')
    parser.add_argument('source', help='checkpoint of a training')
    parser.add_argument('target', help='file to write')
    parser.add_argument('--full-precision', action='store_true', help='keep float32')
    parser.add_argument('--drop', nargs='*', default=[], metavar='PREFIX', help='leave out weights that begin so')
    parser.add_argument('--to-ship', action='store_true', help='8 bits for a weight, for files inside this package')
    args = parser.parse_args()
    size = publish_checkpoint(args.source, args.target, not args.full_precision, args.drop, args.to_ship)
    print(f'{args.target}: {size / 1e6:.2f} MB')


if __name__ == '__main__':
    main()
