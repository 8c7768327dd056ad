"""Makes trainings of a few steps cheap: tools start without importing PyTorch again, and configs stay unformatted."""

import multiprocessing
import os
import runpy
import sys
from collections.abc import Mapping
from multiprocessing.process import BaseProcess
from pathlib import Path

import mmengine.config.config

REPO = Path(__file__).parents[1]
# A server that has imported the package, but has not used it, forks a process for each tool.
_CONTEXT = multiprocessing.get_context('forkserver')
_CONTEXT.set_forkserver_preload(['genvlkt_mmdet.minihoi', 'tests.test_engine.toy'])


def leave_configs_unformatted() -> None:
    """Takes yapf out of ``Config.pretty_text``. A run asks for it several times, which takes longer than a few steps."""
    mmengine.config.config.FormatCode = lambda text, **options: (text, True)


def start_tool(output: Path, tool: str, *arguments: str | Path, cwd: Path, **environment: str) -> BaseProcess:
    """Starts a tool.

    Args:
        output (Path): File for what it prints.
        tool (str): File in ``tools/``.
        *arguments (str | Path): Its command line.
        cwd (Path): The folder it runs in.
        **environment (str): More environment variables.

    Returns:
        BaseProcess: The process; its ``exitcode`` is negative if a signal ended it.
    """
    process = _CONTEXT.Process(target=_run, args=(output, tool, [*map(str, arguments)], cwd, environment))
    process.start()
    return process


def run_tool(output: Path, tool: str, *arguments: str | Path, cwd: Path, **environment: str) -> int:
    """Runs a tool to its end, see :func:`start_tool`. Returns the exit code."""
    process = start_tool(output, tool, *arguments, cwd=cwd, **environment)
    process.join()
    return process.exitcode


def _run(output: Path, tool: str, arguments: list[str], cwd: Path, environment: Mapping[str, str]) -> None:
    with output.open('w') as file:
        for descriptor in (1, 2):
            os.dup2(file.fileno(), descriptor)
    leave_configs_unformatted()
    os.chdir(cwd)
    os.environ.update(environment)
    path = REPO / 'tools' / tool
    sys.argv = [str(path), *arguments]
    sys.path.insert(0, str(path.parent))
    runpy.run_path(str(path), run_name='__main__')
