"""Runs the units of a batch job with Ray Data, on one machine or a cluster."""

import logging
import os
import pickle
from collections.abc import Iterator, Sequence
from dataclasses import asdict, fields
from typing import Any

import cv2
import numpy as np
import torch

from ..apis import HOIInferencer
from ..engine import one_line
from .worker import Report, Task, Unit, Worker

# As `set_process_policy` of genvlkt_start does for the process of the command: freed memory is kept, threads sleep.
_ENVIRONMENT = {
    'MALLOC_MMAP_THRESHOLD_': str(1 << 28),
    'MALLOC_TRIM_THRESHOLD_': str(1 << 29),
    'OMP_WAIT_POLICY': 'PASSIVE',
}


def need_ray() -> Any:
    """Imports Ray Data. An ImportError with one sentence if it is not installed."""
    os.environ.setdefault('RAY_USAGE_STATS_ENABLED', '0')  # nothing is sent to Ray's makers
    os.environ.setdefault('RAY_BACKEND_LOG_LEVEL', 'fatal')  # the error of an actor reaches the user as an exception
    try:
        import ray.data
        import ray.exceptions
    except ImportError as error:
        raise ImportError(
            "The engine ray needs Ray, which is not installed: run `pip install 'genvlkt[scale]'`."
        ) from error
    return ray


def run_with_ray(task: Task, units: Sequence[Unit], model: dict[str, Any], workers: int | None) -> Iterator[Report]:
    """Runs units on actors that have one model each.

    Ray Data replaces an actor that dies, and starts its unit again on another one.

    Args:
        task (Task): What to do.
        units (Sequence[Unit]): The units.
        model (dict): Arguments of :class:`HOIInferencer`.
        workers (int, optional): Number of actors. None: one per GPU of the cluster, or per CPU if it has none.

    Yields:
        Report: What was done with each unit, in any order.

    Raises:
        ValueError: If the cluster is too small, or a unit fails in a way that is not the fault of an image.
    """
    ray = need_ray()
    if not ray.is_initialized():
        # A machine of one's own may have more actors than cores; a cluster (RAY_ADDRESS) says itself what it has.
        own = not os.environ.get('RAY_ADDRESS')
        ray.init(
            num_cpus=max(workers or 0, os.cpu_count() or 1) if own else None,
            runtime_env=dict(env_vars=_ENVIRONMENT),
            logging_level='ERROR',
            log_to_driver=False,
            **(dict(include_dashboard=False) if own else {}),
        )
    resources = ray.cluster_resources()
    cpus, gpus = int(resources.get('CPU', 0)), resources.get('GPU', 0) if model.get('device') != 'cpu' else 0
    workers = workers or int(gpus) or cpus
    if workers > cpus:
        raise ValueError(f'The cluster has {cpus} CPUs, too few for {workers} workers: give a smaller --workers.')
    share = min(1.0, gpus / workers)
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    logging.getLogger('ray.data').setLevel(logging.ERROR)
    rows = [dict(unit=pickle.dumps(unit)) for unit in units]
    reports = ray.data.from_items(rows, override_num_blocks=len(rows)).map_batches(
        _Actor,
        fn_constructor_args=(task, model, os.getcwd()),
        batch_size=1,
        # A unit takes minutes: one that waits at a busy actor could run on a free one.
        compute=ray.data.ActorPoolStrategy(size=min(workers, len(rows)), max_tasks_in_flight_per_actor=1),
        num_cpus=1,
        num_gpus=share or None,
    )
    try:
        for report in reports.iter_rows():
            yield Report(
                **{name: value.item() if isinstance(value, np.generic) else value for name, value in report.items()}
            )
    except ray.exceptions.RayError as error:
        raise ValueError(
            f'The job has stopped ({one_line(error)}). The rows that were written stay: start it again to go on.'
        ) from error


class _Actor:
    """A process with one model. One thread: the other cores belong to other actors."""

    def __init__(self, task: Task, model: dict[str, Any], folder: str) -> None:
        if os.path.isdir(folder):  # relative paths are those of the command
            os.chdir(folder)
        torch.set_num_threads(1)
        cv2.setNumThreads(1)
        device = model.get('device')
        device = device and device.partition(':')[0]  # an actor sees its own GPU only
        self.worker = Worker(task, HOIInferencer(**{**model, 'device': device}, show_progress=False))

    def __call__(self, batch: dict[str, np.ndarray]) -> dict[str, list]:
        reports = [asdict(self.worker(pickle.loads(unit))) for unit in batch['unit']]
        return {field.name: [report[field.name] for report in reports] for field in fields(Report)}
