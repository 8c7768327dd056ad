"""Writes docs/performance.md from the figures of the benchmarks."""

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import common

DOCS = Path(__file__).resolve().parents[2] / 'docs'
FIGURES, PAGE = DOCS / 'performance.json', DOCS / 'performance.md'

INTRODUCTION = """\
# Performance

`make bench` measures inference, engines, training, data, evaluation and start on the CPU, and `make bench-gpu` on a GPU. Both
write this page from `docs/performance.json`. It contains only what they measured.

## What is compared

- **genvlkt** is the model of this package.
- **plain** is the same network with the same weights, written plainly (`tools/benchmark/plain_model.py`): batch norm as
  layers, attention with its weights, padding masks for every batch, heads in every layer. A test checks that its outputs
  are equal to those of the package.
- **DETR R-50** is MMDetection's own DETR from its shipped config. Its only decoder is in the row of the instance decoder.
- **optimised** is the model as `HOIInferencer` runs it, **eager** as it was trained, and **compiled** as with `--compile`. **ONNX
  Runtime**, **OpenVINO** and **OpenVINO int8** are its [exported](export.md) forms. In bfloat16, what is not in int8 is in
  bfloat16. They all start with images of 8 bits and end with triplets.
- **PIL + torchvision** is the input pipeline of HICO-DET, written with these two libraries.

All weights are random, except those of `gen_vlkt_tiny_minihoi`, and nothing is downloaded. The candidates run in turns in
one process.

## What the columns mean

- `ms` is the median time of a call, `quartiles` its lower and upper quartile. `CPU ms` is the processor time of all
  threads. Other programs on the machine change it less.
- `time / plain` is the median ratio of two calls in the same round.
- `GFLOP` counts matrix products and convolutions, with two operations for each multiply-add. `of peak` divides GFLOP per
  second by the speed of a large matrix multiplication that ran in the same rounds.
- `Mpixel/image` is the average size of the images that a pipeline produces.
- `peak MiB` is the largest GPU memory during a call, weights included.
- Stages are timed in calls of their own. Percentages are shares of the sum of the stages.

## In your own program

- The verbs of `genvlkt` and the tools keep freed memory, because the system fills new memory with zeros. These benchmarks do
  not. In your own program, set `MALLOC_MMAP_THRESHOLD_=268435456 MALLOC_TRIM_THRESHOLD_=536870912` in its environment:
  inference of `gen_vlkt_s_hico` at 800 x 1066 then took 402 instead of 442 ms (2026-11-29, the processor below).
- [Pillow-SIMD](https://github.com/uploadcare/pillow-simd) takes the place of Pillow. Built for AVX2, version 12.1 resized an
  image of 640 x 480 to 1066 x 800 in 0.5 instead of 4.4 ms, and decoded as fast as Pillow 13 (2026-11-29). It needs a compiler.
"""


def page(runs: Sequence[Mapping[str, Any]]) -> str:
    """The page in Markdown.

    Args:
        runs (Sequence[dict]): Runs as the JSON file has them.

    Returns:
        str: Its text.
    """
    parts = [INTRODUCTION]
    for run in runs:
        parts.append(f'## {run["benchmark"].capitalize()}: {run["model"]} on {run["device"]}\n\n{_machine(run)}\n')
        for title, header, rows in common.tables(run):
            lines = [header, ['---'] * len(header), *rows]
            table = '\n'.join(f'| {" | ".join(line)} |' for line in lines)
            parts.append(f'**{title}**\n\n{table}\n')
    if not runs:
        parts.append('## Results\n\nNothing has been measured yet.\n')
    return '\n'.join(parts)


def _machine(run: Mapping[str, Any]) -> str:
    machine = run['machine']
    versions = ', '.join(f'{name} {version}' for name, version in machine['versions'].items())
    return (
        f'{run["date"]}. {machine.get("gpu", machine["processor"])}, {machine["cores"]} cores '
        f'({", ".join(machine["cpu_flags"]) or machine["cpu_capability"]}), {run["threads"]} threads, {run["repeats"]} rounds, '
        f'load average {machine["load_average"]:.1f}. {versions}.'
    )


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('figures', nargs='?', type=Path, default=FIGURES, help='JSON file of the benchmarks')
    parser.add_argument('--page', type=Path, default=PAGE, help='page to write')
    args = parser.parse_args()
    args.page.write_text(page(json.loads(args.figures.read_text()) if args.figures.is_file() else []))


if __name__ == '__main__':
    main()
