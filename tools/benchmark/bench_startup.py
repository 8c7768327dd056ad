"""Times the start of a program: imports, and an inferencer beside the loading of its weights.

Every measurement is a fresh process, and the candidates take turns. Processor seconds depend less on other load.
"""

import argparse
import json
import statistics
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import common

# mmdet imports with mmcv-lite only after the module `compat`, which imports nothing else of the package.
_MMDET = """
from importlib import util
path = util.find_spec('genvlkt_mmdet').submodule_search_locations[0] + '/compat.py'
spec = util.spec_from_file_location('compat', path)
spec.loader.exec_module(util.module_from_spec(spec))
import mmdet.models
"""
#: Code before the clock starts, and code that is timed.
CANDIDATES = {
    'import mmdet.models': ('', _MMDET),
    'import genvlkt_mmdet': ('', 'import genvlkt_mmdet'),
    'load the weights': (
        'import genvlkt_mmdet; from mmengine.runner import CheckpointLoader',
        "CheckpointLoader.load_checkpoint({weights!r}, map_location='cpu')",
    ),
    'HOIInferencer': (
        'from genvlkt_mmdet.apis import HOIInferencer',
        "HOIInferencer({model!r}, weights={weights!r}, device='cpu', show_progress=False)",
    ),
}
_CLOCK = """
{before}
import json, time
start = time.perf_counter(), time.process_time()
{timed}
print(json.dumps([time.perf_counter() - start[0], time.process_time() - start[1]]))
"""


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--weights', help='checkpoint; without it, only the imports are timed')
    parser.add_argument('--model', help='config of the checkpoint (default: the one in it)')
    parser.add_argument('--repeats', type=int, default=5, help='processes for each candidate')
    parser.add_argument('--out', type=Path, help='JSON file that gets the table, in place of an older one')
    args = parser.parse_args()
    chosen = CANDIDATES if args.weights else dict(list(CANDIDATES.items())[:2])
    seconds: dict[str, list[list[float]]] = defaultdict(list)
    for _ in range(args.repeats):
        for name, (before, timed) in chosen.items():
            # Only the weights and the config are filled in; `_MMDET` has no braces.
            code = _CLOCK.format(before=before, timed=timed.format(weights=args.weights, model=args.model))
            output = subprocess.check_output([sys.executable, '-c', code], text=True, stderr=subprocess.DEVNULL)
            seconds[name].append(json.loads(output.splitlines()[-1]))
    figures = {name: [statistics.median(part) for part in zip(*runs)] for name, runs in seconds.items()}
    names = list(figures)
    more = {own: f'{figures[own][0] - figures[other][0]:+.2f}' for own, other in zip(names[1::2], names[::2])}
    rows = [[name, f'{wall:.2f}', f'{cpu:.2f}', more.get(name, '')] for name, (wall, cpu) in figures.items()]
    header = ['candidate', 'seconds', 'CPU seconds', 'seconds more than the row above']
    common.finish('start', args, own_tables=[(f'medians of {args.repeats} processes', header, rows)])


if __name__ == '__main__':
    main()
