"""Downloads a dataset and verifies its folder; explains how to get the files that cannot be downloaded directly.

Examples:
    genvlkt data download hico --root data/hico_20160224_det             # verify, and list the files to get
    genvlkt data download vcoco --root data/v-coco --download            # download and unpack
"""

import argparse
import sys
from pathlib import Path

from ...datasets.sources import DATASET_LAYOUTS, download_dataset, instructions, verify_folder
from ...engine import command, in_range


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of the verb."""
    parser.add_argument('dataset', choices=sorted(DATASET_LAYOUTS), help='the dataset')
    parser.add_argument('--root', help='folder of the dataset (default: the folder that the configs read)')
    parser.add_argument('--download', action='store_true', help='download the files that have a direct address')
    parser.add_argument(
        '--timeout',
        type=in_range(float, 0.1, 86400),
        default=30,
        help='seconds to wait for a server (default: %(default)s)',
    )


@command(OSError, ValueError)
def run(args: argparse.Namespace) -> None:
    """Downloads and verifies as the command line says."""
    layout = DATASET_LAYOUTS[args.dataset]
    root = Path(args.root or layout.root)
    if args.download:
        download_dataset(args.dataset, root, args.timeout, progress=sys.stderr.isatty())
    problems = verify_folder(args.dataset, root)
    if problems:
        for problem in problems:
            print(f'- {problem}')
        print(instructions(args.dataset, root))
        sys.exit(f'error: {layout.title} in {root!s} is not complete: {len(problems)} problems, see above.')
    print(f'{layout.title} in {root!s} is complete.')
