"""Converts V-COCO's release and the COCO instances to the JSON for the configs.

Example:
    python tools/dataset_converters/vcoco.py v-coco/data/vcoco annotations/instances_train2014.json \
        annotations/instances_val2014.json --out-dir data/v-coco/annotations
"""

import argparse
from pathlib import Path

from genvlkt_mmdet.datasets.formats import convert_vcoco
from genvlkt_mmdet.engine import command


def parse_args() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description="Convert V-COCO's release")
    parser.add_argument('release', type=Path, help='folder with vcoco_trainval.json (or _train and _val) and _test')
    parser.add_argument(
        'coco_file',
        type=Path,
        nargs='+',
        help='instances_train2014.json and instances_val2014.json of COCO, or one file that holds the images of both',
    )
    parser.add_argument('--out-dir', type=Path, default=Path('data/v-coco/annotations'), help='folder for the files')
    return parser.parse_args()


@command(OSError, ValueError)
def main() -> None:
    """Converts as the command line says."""
    args = parse_args()
    files = convert_vcoco(args.release, args.coco_file, args.out_dir)
    print('\n'.join(f'written: {file}' for file in files))


if __name__ == '__main__':
    main()
