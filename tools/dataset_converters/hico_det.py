"""Converts HICO-DET's release (anno_bbox.mat, anno.mat) to the JSON for the configs.

Example:
    python tools/dataset_converters/hico_det.py data/hico_20160224_det
"""

import argparse
from pathlib import Path

from genvlkt_mmdet.datasets.formats import convert_hico
from genvlkt_mmdet.engine import command, in_range


def parse_args() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description="Convert HICO-DET's release")
    parser.add_argument('release', type=Path, help='folder with anno_bbox.mat and anno.mat')
    parser.add_argument('--out-dir', type=Path, help='folder for the JSON files (default: annotations in the release)')
    parser.add_argument(
        '--merge-iou',
        type=in_range(float, 0, 1),
        default=0.5,
        help='in the training file, boxes of a pair that overlap this much become one; 0: none (default: %(default)s)',
    )
    return parser.parse_args()


@command(OSError, ValueError)
def main() -> None:
    """Converts as the command line says."""
    args = parse_args()
    files = convert_hico(args.release, args.out_dir or args.release / 'annotations', args.merge_iou)
    print('\n'.join(f'written: {file}' for file in files))


if __name__ == '__main__':
    main()
