"""Checks and times batch jobs (`genvlkt infer --out`): two workers against one, killed actors, killed jobs, torchrun.

Each job is a process of its own. It writes rows for the same images with the shipped small model, with one thread per worker. The
extra `scale` is needed. `--checks` names some of:

- speed: Ray with one and with two workers. The steady state is from the first image to the last, without the start.
- serial: the rows of one process. All other checks compare theirs with these.
- torchrun: two processes of torchrun.
- actor: an actor is killed in the middle of a job.
- restart: a job is killed in the middle and started again.
- storage: bytes of a row, and how fast the keys of a result are read.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
CHECKS = ('serial', 'speed', 'torchrun', 'actor', 'restart', 'storage')


def run_job(settings: dict[str, Any]) -> None:
    """Runs one job in this process, and prints what each unit took as JSON."""
    import torch

    from genvlkt_mmdet.scale import detect_rows

    torch.set_num_threads(1)
    summary = detect_rows(model=dict(device='cpu'), **settings)
    reports = [asdict(report) for report in summary.reports]
    print(json.dumps(dict(rows=summary.rows, existing=summary.existing, errors=summary.errors, reports=reports)))


class Job:
    """A job in a process of its own.

    Args:
        images (Path): Folder of the images.
        out (Path): Folder of the rows.
        processes (int): More than one: processes of torchrun.
        **settings: Arguments of ``detect_rows``.
    """

    def __init__(self, images: Path, out: Path, processes: int = 1, **settings: Any) -> None:
        self.out = out
        arguments = [__file__, '--job', json.dumps(dict(sources=[str(images)], out=str(out), **settings))]
        launch = ['-m', 'torch.distributed.run', '--nproc-per-node', str(processes)] if processes > 1 else []
        self.started = time.time()
        self.process = subprocess.Popen(
            [sys.executable, *launch, *arguments],
            stdout=subprocess.PIPE,
            text=True,
            env=dict(os.environ, OMP_NUM_THREADS='1', PYTHONPATH=str(ROOT)),
        )

    def wait(self) -> dict[str, Any]:
        """Waits for the end, and returns what the job (or the jobs of torchrun) has done."""
        printed, _ = self.process.communicate()
        if self.process.returncode:
            raise SystemExit(f'A job has ended with code {self.process.returncode}.')
        found = [json.loads(line) for line in printed.splitlines() if line.startswith('{"rows"')]
        reports = [report for job in found for report in job['reports']]
        start, end = min(r['started'] for r in reports), max(r['ended'] for r in reports)
        rows = sum(job['rows'] for job in found)
        return dict(
            rows=rows,
            existing=sum(job['existing'] for job in found),
            errors=sum(job['errors'] for job in found),
            start_seconds=start - self.started,
            steady_seconds=end - start,
            rows_per_second=rows / (end - start),
            all_seconds=time.time() - self.started,
            workers=len({report['worker'] for report in reports}),
        )

    def wait_for_files(self, count: int) -> None:
        """Waits until the job has written some of its files."""
        while len(list(self.out.glob('*.parquet'))) < count and self.process.poll() is None:
            time.sleep(0.05)

    def actors(self) -> list[int]:
        """Process ids of the actors that have a model."""
        listed = subprocess.run(['ps', '-eo', 'pid=,ppid=,args='], capture_output=True, text=True, check=True).stdout
        processes = {int(line.split()[0]): line.split(None, 2)[1:] for line in listed.splitlines()}

        def is_ours(process: int) -> bool:
            return process == self.process.pid or (process in processes and is_ours(int(processes[process][0])))

        return [process for process, (_, name) in processes.items() if 'ray::MapWorker' in name and is_ours(process)]


def read_all(folder: Path) -> dict[str, dict]:
    """The rows of a folder by key. Ends the program if a key is there twice."""
    import pyarrow.parquet as pq

    rows = [row for file in folder.glob('*.parquet') for row in pq.read_table(file).to_pylist()]
    twice = [key for key, number in Counter(row['key'] for row in rows).items() if number > 1]
    if twice:
        raise SystemExit(f'{len(twice)} rows are there twice in {folder}.')
    return {row['key']: row for row in rows}


def check_storage(rows: Path, folder: Path) -> dict[str, float]:
    """Bytes of a row and of a triplet, and the time to read keys."""
    from genvlkt_mmdet.datasets.result_rows import read_keys, write_rows
    from genvlkt_mmdet.datasets.storage import open_storage

    content = list(read_all(rows).values())
    triplets = sum(len(row['triplets']) for row in content) / len(content)
    target = open_storage(str(folder))

    def bytes_of(name: str, rows: list[dict]) -> int:
        write_rows(target, name, rows, {})
        return (folder / name).stat().st_size

    fixed = bytes_of('none.parquet', [])
    without = (bytes_of('empty.parquet', [dict(row, triplets=[]) for row in content]) - fixed) / len(content)
    full = (bytes_of('full.parquet', content) - fixed) / len(content)
    # Few triplets are above the threshold in most images; for the time to read keys, the rows are there 50 times.
    bytes_of('copies.parquet', [dict(row, key=f'{row["key"]}-{i}') for i in range(50) for row in content])
    start = time.perf_counter()
    keys = sum(1 for _ in read_keys(target, ['copies.parquet']))
    return dict(
        bytes_per_file=fixed,
        bytes_per_row_without_triplets=without,
        triplets_per_row=triplets,
        bytes_per_triplet=(full - without) / max(triplets, 1e-9),
        keys_per_second=keys / (time.perf_counter() - start),
    )


def main() -> None:
    """Runs the checks that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--checks', nargs='+', choices=CHECKS, default=CHECKS)
    parser.add_argument('--images', type=int, default=2000, help='number of images of MiniHOI (default: %(default)s)')
    parser.add_argument(
        '--folder', type=Path, help='folder for images and rows, which stays (default: a temporary one)'
    )
    parser.add_argument('--job', help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.job:
        run_job(json.loads(args.job))
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = (args.folder or Path(temporary)).resolve()
        images = folder / 'scenes' / 'images' / 'test'
        if not images.is_dir():
            from genvlkt_mmdet.minihoi.rendering import render_minihoi

            render_minihoi(folder / 'scenes', ['test'], sizes=dict(test=args.images))
        run_checks(args, images, folder)


def run_checks(args: argparse.Namespace, images: Path, folder: Path) -> None:
    """Runs the checks, and prints a line for each."""
    size = max(1, args.images // 20)  # a job has 20 units
    number, figures = 0, {}

    def start(**settings: Any) -> Job:
        nonlocal number
        number += 1
        out = Path(tempfile.mkdtemp(dir=folder, prefix='rows-'))
        return Job(images, out, rows_per_file=size, **settings)

    def show(name: str, result: dict[str, Any]) -> None:
        figures[name] = result
        print(name, json.dumps({k: round(v, 2) if isinstance(v, float) else v for k, v in result.items()}), flush=True)

    reference_file = folder / 'reference.txt'
    if 'serial' in args.checks or not reference_file.is_file():
        job = start()
        show('serial', job.wait())
        reference_file.write_text(str(job.out))
    reference = read_all(Path(reference_file.read_text()))

    def compare(out: Path) -> dict[str, Any]:
        rows = read_all(out)
        return dict(lost=len(reference.keys() - rows.keys()), equal=sum(rows.get(k) == v for k, v in reference.items()))

    checks: dict[str, Callable[[], None]] = {}

    def speed() -> None:
        for workers in (1, 2):
            job = start(engine='ray', workers=workers)
            show(f'ray, {workers} workers', {**job.wait(), **compare(job.out)})
        one, two = (figures[f'ray, {n} workers'] for n in (1, 2))
        ratios = {k: one[k] / two[k] for k in ('steady_seconds', 'all_seconds')}
        show('ray, 1 worker against 2', ratios)

    def torchrun() -> None:
        job = start(processes=2)
        show('torchrun, 2 processes', {**job.wait(), **compare(job.out)})

    def actor() -> None:
        job = start(engine='ray', workers=2)
        job.wait_for_files(5)
        killed = job.actors()[:1]
        for process in killed:
            os.kill(process, signal.SIGKILL)
        done = job.wait()
        show('an actor was killed', dict(killed=len(killed), **done, **compare(job.out)))

    def restart() -> None:
        job = start(engine='ray', workers=2)
        job.wait_for_files(8)
        job.process.kill()
        job.process.wait()
        time.sleep(3)  # until Ray's processes have noticed
        written = len(read_all(job.out))
        again = Job(images, job.out, rows_per_file=size, engine='ray', workers=2)
        show('the job was killed', dict(written_before=written, **again.wait(), **compare(job.out)))

    def storage() -> None:
        show('storage', check_storage(Path(reference_file.read_text()), Path(tempfile.mkdtemp(dir=folder))))

    checks.update(speed=speed, torchrun=torchrun, actor=actor, restart=restart, storage=storage)
    for name in args.checks:
        if name in checks:
            checks[name]()


if __name__ == '__main__':
    main()
