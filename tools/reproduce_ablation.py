"""Trains the models of the paper's Tables 3 and 4 on MiniHOI and writes docs/ablation.md.

Examples:
    python tools/reproduce_ablation.py
    python tools/reproduce_ablation.py --tables 4c --seeds 3 4
    python tools/reproduce_ablation.py --page-only
"""

import process_policy  # noqa: F401, I001  (first: OpenMP reads it when torch is loaded)

import argparse
import sys

from genvlkt_mmdet.minihoi.study import TABLES, reproduce_ablation


def main() -> None:
    """Runs the missing parts of the study and writes the page."""
    parser = argparse.ArgumentParser(description="Reproduce the paper's ablation study on MiniHOI")
    parser.add_argument('--tables', nargs='+', default=TABLES, choices=TABLES, help='tables to train (default: all)')
    parser.add_argument('--seeds', nargs='+', type=int, default=[0, 1, 2], help='seeds (default: 0 1 2)')
    parser.add_argument(
        '--docs', default='docs', help='folder with ablation.md, ablation.csv and images/ablation.png (default: docs)'
    )
    parser.add_argument('--work-dir', default='work_dirs/ablation', help='folder for logs')
    parser.add_argument('--page-only', action='store_true', help='train nothing: write the page from the CSV file')
    args = parser.parse_args()
    try:
        reproduce_ablation(args.docs, args.work_dir, args.tables, args.seeds, args.page_only)
    except FileNotFoundError as error:
        sys.exit(f'error: {error}')


if __name__ == '__main__':
    main()
