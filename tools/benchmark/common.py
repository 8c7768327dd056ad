"""What the benchmarks share: candidates in turns, stages, FLOPs, memory, the machine, tables and the JSON file."""

import argparse
import copy
import importlib.metadata
import itertools
import json
import math
import os
import platform
import resource
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from typing import Any

import mmdet
import torch
from mmdet.registry import MODELS
from mmengine.config import Config
from mmengine.registry import init_default_scope
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode, conv_flop_count

import genvlkt_mmdet.models  # noqa: F401  (registers)
from genvlkt_mmdet.apis.configs import read_config
from genvlkt_mmdet.models.kernels import onednn_takes
from genvlkt_mmdet.text_table import text_table

DTYPES = dict(float32=torch.float32, tf32=torch.float32, bfloat16=torch.bfloat16, float16=torch.float16)
PACKAGES = (
    *('genvlkt', 'torch', 'torchvision', 'mmcv', 'mmcv-lite', 'mmdet', 'mmengine', 'numpy', 'pillow'),
    *('onnxruntime', 'openvino', 'nncf'),
)
CPU_FLAGS = ('avx2', 'fma', 'avx512f', 'avx512_vnni', 'avx512_bf16', 'amx_tile', 'amx_bf16', 'asimd', 'sve')
# Columns of some benchmarks or devices only.
OPTIONAL = dict(megapixels='Mpixel/image', peak_mib='peak MiB')
Stages = Mapping[str, Sequence[tuple[Any, str]]]
Table = tuple[str, list[str], list[list[str]]]


class NotRun(Exception):
    """A candidate cannot run here. The text says why, for the table."""


@dataclass
class Candidate:
    """Something to time.

    Attributes:
        call (Callable): Does the work once. What it returns as a float is kept as ``megapixels`` of an image.
        stages (Mapping): For each stage, the methods that belong to it, as (owner, name). Time in a method of another stage
            counts for that one.
        network (Sequence[nn.Module]): What ``--compile`` compiles.
    """

    call: Callable[[], Any]
    stages: Stages = field(default_factory=dict)
    network: Sequence[nn.Module] = ()

    def compiled(self) -> 'Candidate':
        """The candidate with its network compiled, not timed by stage."""
        for module in self.network:
            module.compile()
        return Candidate(self.call)


@dataclass
class Setting:
    """What the candidates of a case work on: ``batch`` images of ``size`` (height, width)."""

    cfg: Config
    size: tuple[int, int]
    batch: int
    dtype: str
    device: str

    @property
    def half(self) -> bool:
        """Whether the network computes in half precision."""
        return DTYPES[self.dtype] != torch.float32

    def images(self) -> list[Tensor]:
        """Random images of 8 bits, always the same."""
        generator = torch.Generator().manual_seed(0)
        return list(torch.randint(256, (self.batch, 3, *self.size), dtype=torch.uint8, generator=generator))

    def autocast(self) -> torch.autocast:
        """Autocast where the precision is half."""
        return torch.autocast(self.device.partition(':')[0], DTYPES[self.dtype], enabled=self.half)


def parser(description: str, model: bool = True, **defaults: Any) -> argparse.ArgumentParser:
    """Command line of a benchmark; ``defaults`` are those of its options."""
    result = argparse.ArgumentParser(description=description)
    result.add_argument('--repeats', type=int, default=10, help='rounds; in each, every candidate has one turn')
    result.add_argument('--threads', type=int, default=2, help='threads of torch on the CPU')
    result.add_argument('--candidates', nargs='+', help='only these')
    result.add_argument('--out', type=Path, help='JSON file that gets the figures, in place of older ones of this kind')
    if model:
        result.add_argument('--model', default='gen_vlkt_s_hico', help='config file or name of a shipped config')
        result.add_argument('--device', default='cuda' if torch.cuda.is_available() else 'cpu')
        result.add_argument('--dtype', nargs='+', choices=DTYPES, default=['float32'])
        result.add_argument('--batch-size', nargs='+', type=int, help='images of a batch')
        result.add_argument('--compile', action='store_true', help="also the package's models with torch.compile")
    result.set_defaults(**defaults)
    return result


def size(text: str) -> tuple[int, int]:
    """Reads a size such as 800x1066."""
    height, width = map(int, text.split('x'))
    return height, width


def detr_config() -> Config:
    """DETR with ResNet-50, as mmdet ships it."""
    return Config.fromfile(Path(mmdet.__file__).parent / '.mim' / 'configs' / 'detr' / 'detr_r50_8xb2-150e_coco.py')


def build_model(cfg: Config, device: str) -> nn.Module:
    """The model of a config with random weights, always the same; nothing is downloaded."""
    init_default_scope('mmdet')
    torch.manual_seed(0)
    return MODELS.build(copy.deepcopy(cfg.model)).to(device)  # building adds defaults to its config


def synchronize(device: str) -> None:
    """Waits until a GPU is done."""
    if device.startswith('cuda'):
        torch.cuda.synchronize()


@contextmanager
def timed_stages(stages: Stages, device: str) -> Iterator[dict[str, float]]:
    """Adds up the seconds of each stage while the context is open."""
    seconds: dict[str, float] = defaultdict(float)
    inside: list[float] = []  # of each open method: seconds of the methods that it called

    def timed(stage: str, method: Callable) -> Callable:
        def call(*args: Any, **kwargs: Any) -> Any:
            synchronize(device)
            start = time.perf_counter()
            inside.append(0.0)
            try:
                return method(*args, **kwargs)
            finally:
                synchronize(device)
                spent = time.perf_counter() - start
                seconds[stage] += spent - inside.pop()
                if inside:
                    inside[-1] += spent

        return call

    methods = [(stage, owner, name) for stage, parts in stages.items() for owner, name in parts]
    before = [(owner, name, getattr(owner, name), name in vars(owner)) for _, owner, name in methods]
    for stage, owner, name in methods:
        setattr(owner, name, timed(stage, getattr(owner, name)))
    try:
        yield seconds
    finally:
        for owner, name, value, own in before:
            setattr(owner, name, value) if own else delattr(owner, name)


def _fused_conv_flops(*args: Any, out_shape: Any, **kwargs: Any) -> int:
    # Input and residual come before the weights, in either order. The count reads only the number of images of the input.
    weight = [shape for shape in args if isinstance(shape, torch.Size) and len(shape) == 4][-1]
    return conv_flop_count(out_shape, weight, out_shape)


def _fused_linear_flops(x: Any, weight: Any, *args: Any, **kwargs: Any) -> int:
    return 2 * math.prod(x) * weight[0]


# Operations of oneDNN that torch does not count
_FUSED = {
    torch.ops.mkldnn._convolution_pointwise: _fused_conv_flops,
    torch.ops.mkldnn._convolution_pointwise_: _fused_conv_flops,
    torch.ops.mkldnn._linear_pointwise: _fused_linear_flops,
}


def count_flops(call: Callable[[], Any], device: str) -> float:
    """FLOPs of matrix products and convolutions, two for each multiply-add."""
    # torch knows the FLOPs of a GPU's attention kernels; on the CPU it counts the products that they stand for.
    attention = sdpa_kernel(SDPBackend.MATH) if device == 'cpu' else nullcontext()
    with (
        torch.compiler.set_stance('force_eager'),
        attention,
        FlopCounterMode(display=False, custom_mapping=_FUSED) as counter,
    ):
        call()
    return float(counter.get_total_flops())


def matrix_multiplication(device: str, dtype: torch.dtype) -> tuple[Callable[[], Any], float]:
    """A large matrix multiplication, by the fastest library of torch, and its FLOPs."""

    def products(side: int) -> list[Callable[[], Any]]:
        a, b, out = (torch.randn(side, side, device=device).to(dtype) for _ in range(3))
        found = [lambda: torch.mm(a, b, out=out)]
        if onednn_takes(a):
            found.append(lambda: torch.ops.mkldnn._linear_pointwise(a, b, None, 'none', [], ''))
        return found

    def best(call: Callable[[], Any]) -> float:
        return min(_seconds(call, device) for _ in range(3))

    side = 8192 if device.startswith('cuda') else 2048
    if min(map(best, products(512))) > 0.1:  # a CPU without instructions for this precision
        side = 512
    return min(products(side), key=best), 2.0 * side**3


def measure(
    builders: Mapping[str, Callable[[], Candidate]],
    repeats: int,
    images: int,
    device: str = 'cpu',
    dtype: torch.dtype | None = None,
    settle: bool = False,
) -> dict[str, Any]:
    """Times candidates in turns.

    Args:
        builders (Mapping): Name of each candidate and the function that makes it.
        repeats (int): Rounds. In each, every candidate runs once as it is and once by stage; the order moves on.
        images (int): Images of one call.
        device (str): Device.
        dtype (torch.dtype, optional): Also counts FLOPs, and times a matrix multiplication in this type for the peak.
        settle (bool): Whether a call that is not timed comes before each one that is.

    Returns:
        dict: ``peak_flops`` per second, and ``candidates``: the figures of each.
    """
    cuda = device.startswith('cuda')
    turns: dict[str, Candidate] = {}
    figures: dict[str, dict[str, Any]] = {}
    for name, build in builders.items():
        before = torch.cuda.memory_allocated() if cuda else 0
        try:
            candidate = build()
            output = candidate.call()
            figures[name] = dict(flops=None if dtype is None else count_flops(candidate.call, device))
            if isinstance(output, float):
                figures[name]['megapixels'] = output
            synchronize(device)
        except NotRun as error:
            figures[name] = dict(error=f'not run: {error}')
            continue
        except torch.OutOfMemoryError:
            figures[name] = dict(error='out of memory')
            candidate = None  # frees its memory
            torch.cuda.empty_cache()
            continue
        if cuda:
            torch.cuda.reset_peak_memory_stats()
            candidate.call()
            synchronize(device)
            figures[name]['peak_mib'] = (torch.cuda.max_memory_allocated() - before) / 2**20
        turns[name] = candidate
    multiply_flops = 0.0
    if dtype is not None:
        multiply, multiply_flops = matrix_multiplication(device, dtype)
        multiply()
        turns['peak'] = Candidate(multiply)

    seconds: dict[str, list[float]] = defaultdict(list)
    cpu_seconds: dict[str, list[float]] = defaultdict(list)
    stages: dict[str, dict[str, list[float]]] = {name: defaultdict(list) for name in turns}
    names = list(turns)
    for turn in range(repeats):
        shift = turn % len(names)
        for name in names[shift:] + names[:shift]:
            candidate = turns[name]
            if settle:
                candidate.call()
            before = time.process_time()
            seconds[name].append(_seconds(candidate.call, device))
            cpu_seconds[name].append(time.process_time() - before)
            if candidate.stages:
                with timed_stages(candidate.stages, device) as spent:
                    total = _seconds(candidate.call, device)
                for stage in candidate.stages:
                    stages[name][stage].append(spent[stage])
                stages[name]['other'].append(total - sum(spent.values()))
    peak = multiply_flops / statistics.median(seconds.pop('peak')) if dtype is not None else None
    for name, own in seconds.items():
        spread = summary(own)
        figures[name].update(
            seconds=spread,
            cpu_seconds=summary(cpu_seconds[name]),
            images_per_second=images / spread['median'],
            relative_to={other: _ratio(own, theirs) for other, theirs in seconds.items() if other != name},
            stages={stage: summary(values) for stage, values in stages[name].items()},
        )
        if peak:
            figures[name]['achieved_of_peak'] = figures[name]['flops'] / spread['median'] / peak
    return dict(peak_flops=peak, candidates=figures)


def _seconds(call: Callable[[], Any], device: str) -> float:
    synchronize(device)
    start = time.perf_counter()
    call()
    synchronize(device)
    return time.perf_counter() - start


def _ratio(own: Sequence[float], theirs: Sequence[float]) -> float:
    """Median of the ratios within a round: other load changes both sides of it."""
    return statistics.median(a / b for a, b in zip(own, theirs))


def summary(values: Sequence[float]) -> dict[str, float]:
    """Median and spread."""
    quartiles = statistics.quantiles(values, n=4, method='inclusive') if len(values) > 1 else [values[0]] * 3
    names = ('min', 'lower_quartile', 'median', 'upper_quartile', 'max')
    return dict(zip(names, (min(values), *quartiles, max(values))))


def machine() -> dict[str, Any]:
    """Processor, GPU, system and versions."""
    info = Path('/proc/cpuinfo')
    lines = [line.partition(':') for line in info.read_text().splitlines()] if info.is_file() else []
    found = {key.strip().lower(): value.strip() for key, _, value in lines}
    flags = set(found.get('flags', found.get('features', '')).split())
    installed = {
        (d.metadata['Name'] or '').lower().replace('_', '-'): d.version for d in importlib.metadata.distributions()
    }
    result: dict[str, Any] = dict(
        processor=found.get('model name', platform.processor() or platform.machine()),
        cores=os.cpu_count(),
        cpu_flags=[flag for flag in CPU_FLAGS if flag in flags],
        cpu_capability=torch.backends.cpu.get_cpu_capability(),
        load_average=os.getloadavg()[0],
        omp_wait_policy=os.environ.get('OMP_WAIT_POLICY'),
        system=platform.platform(),
        versions=dict(python=platform.python_version(), **{p: installed[p] for p in PACKAGES if p in installed}),
    )
    if torch.cuda.is_available():
        result['gpu'] = torch.cuda.get_device_name()
        result['versions'] |= dict(cuda=torch.version.cuda, cudnn=torch.backends.cudnn.version())
    return result


def run(
    benchmark: str,
    candidates: Mapping[str, Callable[[Setting], Candidate]],
    args: argparse.Namespace,
    sizes: Sequence[tuple[int, int]],
    rivals: Sequence[str] | None = None,
    count_flops: bool = True,
    settle: bool = False,
) -> None:
    """Measures all cases of a command line.

    Args:
        benchmark (str): Name of the benchmark.
        candidates (Mapping): Name of each candidate, and the function that makes it for a setting.
        args (Namespace): The command line.
        sizes (Sequence[tuple[int, int]]): Height and width of the images of each case.
        rivals (Sequence[str], optional): Candidates that the others are compared with. None: those that are not the package's.
        count_flops (bool): Whether FLOPs are counted.
        settle (bool): As of :func:`measure`.
    """
    if args.device.startswith('cuda') and not torch.cuda.is_available():
        raise SystemExit('error: PyTorch finds no CUDA device.')
    torch.set_num_threads(args.threads)
    cfg, cases = read_config(args.model), []
    for size, dtype, batch in itertools.product(sizes, args.dtype, args.batch_size):
        setting = Setting(cfg, size, batch, dtype, args.device)
        torch.set_float32_matmul_precision('high' if dtype == 'tf32' else 'highest')
        torch.backends.cudnn.allow_tf32 = dtype == 'tf32'
        builders: dict[str, Callable[[], Candidate]] = {}
        for name, make in chosen(candidates, args).items():
            builders[name] = partial(make, setting)
            if args.compile and name.startswith('genvlkt'):
                builders[f'{name} compiled'] = lambda make=make, setting=setting: make(setting).compiled()
        counted = DTYPES[dtype] if count_flops else None
        figures = measure(builders, args.repeats, batch, args.device, counted, settle)
        cases.append(dict(case=f'{batch} x {size[0]} x {size[1]}, {dtype}', **figures))
        if rivals:
            cases[-1]['rivals'] = list(rivals)
    finish(benchmark, args, cases)


def chosen(candidates: Mapping[str, Any], args: argparse.Namespace) -> dict[str, Any]:
    """The candidates that the command line names, or all."""
    names = args.candidates or list(candidates)
    if unknown := [name for name in names if name not in candidates]:
        raise SystemExit(f"error: There is no candidate '{unknown[0]}', only: {', '.join(candidates)}.")
    return {name: candidates[name] for name in names}


def finish(
    benchmark: str, args: argparse.Namespace, cases: Sequence[Mapping[str, Any]] = (), own_tables: Sequence[Table] = ()
) -> None:
    """Prints the figures of a run, and writes them into the JSON file. A benchmark without cases brings its tables."""
    run = dict(
        benchmark=benchmark,
        model=Path(getattr(args, 'model', None) or 'gen_vlkt_s_hico').stem,
        device=getattr(args, 'device', 'cpu'),
        date=datetime.now(timezone.utc).strftime('%Y-%m-%d %H:%M UTC'),
        threads=torch.get_num_threads(),
        repeats=args.repeats,
        machine=machine(),
        process_peak_mib=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        cases=list(cases),
        tables=list(own_tables),
    )
    for title, header, rows in tables(run):
        print(f'\n{title}\n{text_table(header, rows)}')
    run = json.loads(json.dumps(run), parse_float=lambda text: float(f'{float(text):.4g}'))
    print(json.dumps(run))
    if args.out is not None:
        identity = ('benchmark', 'model', 'device')
        runs = json.loads(args.out.read_text()) if args.out.is_file() else []
        runs = [other for other in runs if any(other[key] != run[key] for key in identity)]
        args.out.write_text(json.dumps([*runs, run], indent=1) + '\n')


def tables(run: Mapping[str, Any]) -> Iterator[Table]:
    """Tables of a run, each with a title."""
    yield from run.get('tables', ())
    for case in run['cases']:
        named = case.get('rivals') or [name for name in case['candidates'] if not name.startswith('genvlkt')]
        rivals = [name for name in named if 'error' not in case['candidates'].get(name, dict(error=''))]
        rows = [_row(name, figures, rivals) for name, figures in case['candidates'].items()]
        header = list(dict.fromkeys(title for row in rows for title in row))
        peak = f', matrix multiplication {case["peak_flops"] / 1e9:.3g} GFLOP/s' if case['peak_flops'] else ''
        yield case['case'] + peak, header, [[row.get(title, '') for title in header] for row in rows]
        staged = {name: figures for name, figures in case['candidates'].items() if figures.get('stages')}
        stages = dict.fromkeys(stage for figures in staged.values() for stage in figures['stages'] if stage != 'other')
        if stages:
            rows = [[stage, *(_stage(figures, stage) for figures in staged.values())] for stage in [*stages, 'other']]
            yield f'{case["case"]}, by stage', ['ms', *staged], rows


def _row(name: str, figures: Mapping[str, Any], rivals: Sequence[str]) -> dict[str, str]:
    """Cells of a candidate, by the title of their column."""
    if 'error' in figures:
        return {'candidate': name, 'ms': figures['error']}
    lower, median, upper = (figures['seconds'][key] * 1e3 for key in ('lower_quartile', 'median', 'upper_quartile'))
    row = {'candidate': name, 'ms': f'{median:.1f}', 'quartiles': f'{lower:.1f} to {upper:.1f}'}
    row['CPU ms'] = f'{figures["cpu_seconds"]["median"] * 1e3:.1f}'
    row['images/s'] = f'{figures["images_per_second"]:.2f}'
    row |= {f'time / {other}': f'{figures["relative_to"].get(other, 1):.2f}' for other in rivals}
    if figures['flops'] is not None:
        row |= {'GFLOP': f'{figures["flops"] / 1e9:.1f}', 'of peak': f'{figures["achieved_of_peak"]:.2f}'}
    row |= {title: f'{figures[key]:.2f}' for key, title in OPTIONAL.items() if key in figures}
    return row


def _stage(own: Mapping[str, Any], stage: str) -> str:
    if stage not in own['stages']:
        return ''
    medians = {name: spread['median'] for name, spread in own['stages'].items()}
    return f'{medians[stage] * 1e3:.1f} ({medians[stage] / sum(medians.values()):.0%})'
