"""Downloads files of a dataset, says where to get the others, and checks the folder.

Examples:
    python tools/download_dataset.py hico --root data/hico_20160224_det             # what to get, and what is there
    python tools/download_dataset.py vcoco --root data/v-coco --download            # fetch and unpack
"""

import argparse
import shutil
import sys
from pathlib import Path

from genvlkt_mmdet.datasets.sources import DATASETS, download, instructions, verify_folder

ROOTS = dict(hico='data/hico_20160224_det', vcoco='data/v-coco')


def parse_args() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description='Fetch and verify a dataset')
    parser.add_argument('dataset', choices=sorted(DATASETS), help='which dataset')
    parser.add_argument('--root', help='folder of the dataset (default: the one that the configs read)')
    parser.add_argument('--download', action='store_true', help='fetch the files that need no visit to a page')
    parser.add_argument('--timeout', type=float, default=30, help='seconds to wait for a server')
    return parser.parse_args()


def show_progress(done: int, total: int) -> None:
    """Prints the state of a transfer on one line."""
    size = f' of {total / 2**20:.0f}' if total else ''
    print(f'\r  {done / 2**20:.0f}{size} MiB', end='', flush=True)


def main() -> None:
    """Fetches and verifies as the command line says."""
    args = parse_args()
    root = Path(args.root or ROOTS[args.dataset])
    if args.download:
        for source in DATASETS[args.dataset].sources:
            if not source.direct:
                continue
            print(f'{source.name} from {source.page}')
            try:
                file = download(source, root, args.timeout, show_progress)
            except (ConnectionError, ValueError) as error:
                sys.exit(f'error: {error}')
            target = root / source.unpack
            target.mkdir(parents=True, exist_ok=True)
            if file.suffix == '.zip':
                shutil.unpack_archive(file, target)
            else:
                shutil.copy(file, target)
            print(f'\r  done: {target}')
    problems = verify_folder(args.dataset, root)
    if problems:
        for problem in problems:
            print(f'- {problem}')
        print(instructions(args.dataset, root))
        sys.exit(
            f'error: {DATASETS[args.dataset].title} in {root!s} is not complete: {len(problems)} problems, see above.'
        )
    print(f'{DATASETS[args.dataset].title} in {root!s} is complete.')


if __name__ == '__main__':
    main()
