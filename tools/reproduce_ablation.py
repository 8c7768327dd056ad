"""Trains the models of the paper's Tables 3 and 4 on MiniHOI and writes docs/ablation.md.

Every finished run is a line of docs/ablation.csv; a rerun does only what is missing. The page's tables and its plot are
written anew after every run, so an interrupted study leaves what it has.

Examples:
    python tools/reproduce_ablation.py
    python tools/reproduce_ablation.py --tables 4c --seeds 3 4
    python tools/reproduce_ablation.py --page-only
"""

import thread_policy  # noqa: F401, I001  (first: OpenMP reads it when torch is loaded)

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from genvlkt_mmdet.minihoi.study.page import Study, draw, render, update
from genvlkt_mmdet.minihoi.study.results import Result, read_results, write_results
from genvlkt_mmdet.minihoi.study.runs import digest, load_run, run
from genvlkt_mmdet.minihoi.study.study import ROWS, configs_of

REPO = Path(__file__).resolve().parents[1]
TABLES = tuple(dict.fromkeys(row.table for row in ROWS))


def parse_args() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description="Reproduce the paper's ablation study on MiniHOI")
    parser.add_argument('--tables', nargs='+', default=TABLES, choices=TABLES, help='tables to train (default: all)')
    parser.add_argument('--seeds', nargs='+', type=int, default=[0, 1, 2], help='seeds (default: 0 1 2)')
    parser.add_argument(
        '--docs', type=Path, default=REPO / 'docs', help='folder with ablation.md, ablation.csv and images/ablation.png'
    )
    parser.add_argument('--work-dir', type=Path, default=Path('work_dirs/ablation'), help='folder for logs')
    parser.add_argument('--page-only', action='store_true', help='train nothing: write the page from the CSV file')
    return parser.parse_args()


def main() -> None:
    """Trains what is missing and writes the page."""
    args = parse_args()
    table, page = args.docs / 'ablation.csv', args.docs / 'ablation.md'
    if not page.is_file():
        sys.exit(f'error: {page} does not exist: --docs is the folder of the page.')

    # a line that other settings gave is no result of this study
    current = {config: digest(load_run(config, 0, args.work_dir)) for config in configs_of(TABLES)}

    def finished() -> list[Result]:
        return [result for result in read_results(table) if current.get(result.config) == result.digest]

    def write_page() -> None:
        study = Study(finished())
        update(page, render(study))
        draw(study, args.docs / 'images' / 'ablation.png')

    done = {result.key for result in finished()}
    configs = [] if args.page_only else configs_of(args.tables)
    # seed by seed, so that an interrupted study compares all rows on the seeds that it has
    todo = [(config, seed) for seed in args.seeds for config in configs if (config, seed) not in done]
    for number, (config, seed) in enumerate(todo, start=1):
        print(f'[{number}/{len(todo)}] {config}, seed {seed}', flush=True)
        result = run(config, load_run(config, seed, args.work_dir))
        write_results(table, [*finished(), result])
        write_page()
        shown = {key: getattr(result, key) for key in ('full', 'rare', 'unseen', 'seen', 'phrases_unseen')}
        figures = ', '.join(f'{key} {100 * value:.1f}' for key, value in shown.items() if value is not None)
        print(f'    {figures}; {result.minutes:.1f} minutes', flush=True)
    write_page()
    print(f'{len(done)} runs were done before, {len(todo)} now: see {page}')


if __name__ == '__main__':
    main()
