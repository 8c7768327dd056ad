"""Loads `genvlkt serve` with many clients at the same time, over the loopback interface.

It starts the server, and locust (`pip install locust`) sends the example image. The first table has requests per second and the
time to the answer, with and without batches. The second one counts the answers of a server whose queue is full, and of one
that is told to stop under load. --soak and --malformed run longer checks of their own.
"""

import argparse
import collections
import contextlib
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import common
import malformed_requests

ROOT = Path(__file__).resolve().parents[2]
IMAGE = ROOT / 'genvlkt_mmdet' / 'assets' / 'example.jpg'
VOCABULARIES = [
    [],
    ['push, bicycle', 'a person pulling a dog'],
    ['ride, horse'],
    ['a person washing a horse', 'a person juggling an umbrella'],
]
_START = 'import sys; sys.path.insert(0, {!r}); from genvlkt_start import main; main()'


@contextlib.contextmanager
def served(options: Sequence[str], env: dict[str, str] | None = None) -> Iterator[tuple[str, subprocess.Popen]]:
    """Runs the server: its address and process. It is told to stop at the end, and must end with exit code 0."""
    command = [sys.executable, '-c', _START.format(str(ROOT)), 'serve', '--port', '0', *options]
    env = dict(os.environ, **(env or {}))
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=env) as process:
        for line in process.stdout or ():
            if found := re.match(r'Serving at (\S+) ', line):
                break
        else:
            raise SystemExit('error: The server did not start.')
        try:
            malformed_requests.send(found[1], malformed_requests.Wrong('first', b'{}'))  # waits until it answers
            yield found[1], process
        finally:
            process.send_signal(signal.SIGTERM)
            if (code := process.wait(90)) != 0:
                raise SystemExit(f'error: The server ended with exit code {code}.')


def load(address: str, clients: int, seconds: float, vocabularies: Sequence[Sequence[str]] = ((),)) -> dict[str, Any]:
    """Runs locust. ``sent`` requests, ``answers``: the time since the start, the seconds to the answer, and the status."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, 'answers.json')
        settings = dict(
            GENVLKT_LOAD_IMAGE=str(IMAGE), GENVLKT_LOAD_OUT=str(out), GENVLKT_LOAD_VOCABULARIES=json.dumps(vocabularies)
        )
        script = str(Path(__file__).with_name('load_server.py'))
        command = [sys.executable, '-m', 'locust', '-f', script, '--headless', '--host', address, '--only-summary']
        command += ['-u', str(clients), '-r', str(clients), '-t', f'{seconds:g}s', '--stop-timeout', '60']
        subprocess.run(command, env=dict(os.environ, **settings), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return json.loads(out.read_text())


def figures(found: dict[str, Any], seconds: float) -> list[str]:
    """Requests per second, median and 99th percentile in ms of the answers with status 200, and how often each status came."""
    times = sorted(taken for _, taken, status in found['answers'] if status == '200') or [float('nan')]
    counts = collections.Counter(status for _, _, status in found['answers'])
    spread = statistics.quantiles(times, n=100) if len(times) > 1 else times * 99
    others = ', '.join(f'{status}: {count}' for status, count in sorted(counts.items()) if status not in ('200', '429'))
    rate = f'{counts["200"] / seconds:.1f}'
    return [
        rate,
        f'{spread[49] * 1e3:.0f}',
        f'{spread[98] * 1e3:.0f}',
        str(counts['200']),
        str(counts['429']),
        others or '0',
    ]


HEADER = ['requests/s', 'p50 ms', 'p99 ms', 'status 200', 'status 429', 'others']


def measure_load(args: argparse.Namespace, options: list[str]) -> common.Table:
    """Every number of clients, with and without batches."""
    rows = []
    for batch in args.batch_size:
        with served([*options, '--batch-size', str(batch)]) as (address, _):
            load(address, 4, 2)  # the first requests are slower
            for clients in args.clients:
                found = load(address, clients, args.seconds)
                rows.append([str(clients), str(batch), *figures(found, args.seconds)])
    return 'load', ['clients', 'largest batch', *HEADER], rows


def measure_refusals(args: argparse.Namespace, options: list[str]) -> common.Table:
    """A full queue, and a stop in the middle of the load: is every request answered?"""
    clients, rows = max(args.clients), []
    with served([*options, '--max-requests', str(max(1, clients // 4))]) as (address, _):
        found = load(address, clients, args.seconds)
        rows.append(['queue full', str(found['sent']), str(len(found['answers'])), *figures(found, args.seconds)[3:]])
    with served(options) as (address, process):
        stop = threading.Timer(2 + args.seconds / 2, process.send_signal, [signal.SIGTERM])
        stop.start()
        found = load(address, clients, args.seconds)
        stop.join()
        process.wait(90)  # a second signal, at the end of `served`, would not wait
        # When it no longer listens, connections are refused: these requests were not accepted.
        rows.append(['told to stop', str(found['sent']), str(len(found['answers'])), *figures(found, args.seconds)[3:]])
    return f'refusals, {clients} clients', ['case', 'sent', 'answered', *HEADER[3:]], rows


def measure_soak(args: argparse.Namespace, options: list[str]) -> Iterator[common.Table]:
    """A long load with several vocabularies: the answers, and the memory of the server over time."""
    clients, memory, over = max(args.clients), [], threading.Event()
    with served(options) as (address, _):
        start = time.monotonic()

        def watch() -> None:
            while not over.wait(max(1, args.soak / 10)):
                with urllib.request.urlopen(f'{address}/metrics', timeout=60) as answer:
                    used = re.search(r'^process_resident_memory_bytes (\S+)$', answer.read().decode(), re.MULTILINE)
                memory.append([f'{time.monotonic() - start:.0f}', f'{float(used[1]) / 2**20:.0f}' if used else ''])

        thread = threading.Thread(target=watch)
        thread.start()
        found = load(address, clients, args.soak, VOCABULARIES)
        over.set()
        thread.join()
    row = [str(clients), str(found['sent']), str(len(found['answers'])), *figures(found, args.soak)]
    yield f'{args.soak:g} seconds, {len(VOCABULARIES)} vocabularies', ['clients', 'sent', 'answered', *HEADER], [row]
    yield 'memory of the server', ['seconds', 'MiB'], memory


def measure_malformed(args: argparse.Namespace, options: list[str]) -> common.Table:
    """Wrong requests: every answer must be 4xx and a sentence."""
    token = 'token-of-the-benchmark'
    with served([*options, '--max-megabytes', '2'], dict(GENVLKT_TOKEN=token)) as (address, process):
        found = malformed_requests.send_all(address, args.malformed, 2, token)
        good = malformed_requests.Wrong(
            'good', IMAGE.read_bytes(), 'image/jpeg', headers=dict(Authorization=f'Bearer {token}')
        )
        if malformed_requests.send(address, good)[0] != 200 or process.poll() is not None:
            raise SystemExit('error: The server no longer works after the wrong requests.')
    for kind, status, sentence in found['not_refused']:
        print(f'not refused: {kind}: {status} {sentence}')
    rows = [[str(status), str(count)] for status, count in found['statuses'].items()]
    return f'{args.malformed} wrong requests', ['status', 'answers'], rows


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--weights', help='checkpoint or exported model (default: the shipped model)')
    parser.add_argument('--model', help='config of the checkpoint (default: the one in it)')
    parser.add_argument('--clients', type=int, nargs='+', default=[1, 8, 64], help='clients at the same time')
    parser.add_argument('--batch-size', type=int, nargs='+', default=[1, 16], help='largest batches')
    parser.add_argument('--seconds', type=float, default=15, help='length of each load')
    parser.add_argument('--threads', type=int, help='threads of the model (default: one for each core)')
    parser.add_argument(
        '--soak', type=float, metavar='SECONDS', help='only a load of this length, with several vocabularies'
    )
    parser.add_argument('--malformed', type=int, metavar='COUNT', help='only this number of wrong requests')
    parser.add_argument('--out', type=Path, help='JSON file that gets the tables, in place of older ones')
    args = parser.parse_args()
    args.repeats = 1
    options = [
        f'--{name}={value}' for name in ('weights', 'model', 'threads') if (value := getattr(args, name)) is not None
    ]
    if args.soak:
        found = list(measure_soak(args, options))
    elif args.malformed:
        found = [measure_malformed(args, options)]
    else:
        found = [measure_load(args, options), measure_refusals(args, options)]
    args.model = args.model or Path(args.weights or 'gen_vlkt_tiny_minihoi').stem
    common.finish('server', args, own_tables=found)


if __name__ == '__main__':
    main()
