"""Converts V-COCO's release and the COCO instances to the JSON for the configs.

Example:
    genvlkt convert vcoco v-coco/data/vcoco annotations/instances_train2014.json \
        annotations/instances_val2014.json --out-dir data/v-coco/annotations
"""

import argparse
from pathlib import Path

from ...datasets.formats import convert_vcoco
from ...engine import command


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of the verb."""
    parser.add_argument('release', type=Path, help='folder with vcoco_trainval.json (or _train and _val) and _test')
    parser.add_argument(
        'coco_file',
        type=Path,
        nargs='+',
        help='instances_train2014.json and instances_val2014.json of COCO, or one file that holds the images of both',
    )
    parser.add_argument('--out-dir', type=Path, default=Path('data/v-coco/annotations'), help='folder for the files')


@command(OSError, ValueError)
def run(args: argparse.Namespace) -> None:
    """Converts as the command line says."""
    files = convert_vcoco(args.release, args.coco_file, args.out_dir)
    print('\n'.join(f'written: {file}' for file in files))
