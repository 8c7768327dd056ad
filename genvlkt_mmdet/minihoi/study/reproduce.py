"""The ablation study."""

from collections.abc import Sequence
from pathlib import Path

from .page import Study, draw, render, update
from .results import Result, read_results, write_results
from .runs import digest, load_run, run
from .tables import TABLES, configs_of


def reproduce_ablation(
    docs: str | Path,
    work_dir: str | Path,
    tables: Sequence[str] = TABLES,
    seeds: Sequence[int] = (0, 1, 2),
    page_only: bool = False,
) -> None:
    """Trains the rows of the paper's Tables 3 and 4 on MiniHOI, and writes the results and the page.

    ``ablation.csv`` has one line per finished run. It, the page and the figure are written after every run, and the next call
    trains only what is missing. So the study can be interrupted.

    Args:
        docs (str | Path): Folder with ``ablation.md``, ``ablation.csv`` and ``images/ablation.png``.
        work_dir (str | Path): Folder for logs.
        tables (Sequence[str]): Tables to train, of :data:`TABLES`. Default: all.
        seeds (Sequence[int]): Seeds of each run. Default: (0, 1, 2).
        page_only (bool): Whether to only write the page from ``ablation.csv``, without training. Default: False.

    Raises:
        FileNotFoundError: If the folder has no ``ablation.md``.
        ValueError: If the page has no markers around its generated part.
    """
    docs, work_dir = Path(docs), Path(work_dir)
    table, page = docs / 'ablation.csv', docs / 'ablation.md'
    if not page.is_file():
        raise FileNotFoundError(f'{page} does not exist: --docs is the folder of the page.')

    # A line with other settings is another experiment.
    current = {config: digest(load_run(config, 0, work_dir)) for config in configs_of(TABLES)}

    def finished() -> list[Result]:
        return [result for result in read_results(table) if current.get(result.config) == result.digest]

    def write_page() -> None:
        study = Study(finished())
        update(page, render(study))
        draw(study, docs / 'images' / 'ablation.png')

    done = {result.key for result in finished()}
    configs = [] if page_only else configs_of(tables)
    # Seed by seed, so that an interrupted study can compare all rows.
    todo = [(config, seed) for seed in seeds for config in configs if (config, seed) not in done]
    for number, (config, seed) in enumerate(todo, start=1):
        print(f'[{number}/{len(todo)}] {config}, seed {seed}', flush=True)
        result = run(config, load_run(config, seed, work_dir))
        write_results(table, [*finished(), result])
        write_page()
        shown = {key: getattr(result, key) for key in ('full', 'rare', 'unseen', 'seen', 'phrases_unseen')}
        figures = ', '.join(f'{key} {100 * value:.1f}' for key, value in shown.items() if value is not None)
        print(f'    {figures}; {result.minutes:.1f} minutes', flush=True)
    write_page()
    print(f'{len(done)} runs were done before, {len(todo)} now: see {page}')
