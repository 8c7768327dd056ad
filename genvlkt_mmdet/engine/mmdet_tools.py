"""Runs the scripts of MMDetection with this package imported."""

import difflib
import runpy
import sys
from collections.abc import Sequence
from pathlib import Path

import mmdet

from ..converters.files import allow_checkpoint_classes


def mmdet_tools() -> dict[str, Path]:
    """Finds the scripts of the installed MMDetection: name without suffix, e.g. ``'browse_dataset'``, to file."""
    folder = Path(mmdet.__file__).parent / '.mim' / 'tools'
    # If names are equal, the outermost folder wins: analysis_tools/browse_dataset.py, not the one for video in a subfolder.
    files = sorted(folder.rglob('*.py'), key=lambda path: (-len(path.parts), path))
    return {path.stem: path for path in files}


def run_mmdet_tool(name: str, arguments: Sequence[str]) -> None:
    """Runs a script of MMDetection in this process, as ``python <script> <arguments>`` would.

    Without this package, such a script cannot import ``mmdet.models`` with ``mmcv-lite``, and cannot load checkpoints with a
    current torch.

    Args:
        name (str): Name of the script, e.g. ``'browse_dataset'``.
        arguments (Sequence[str]): Its command line.

    Raises:
        FileNotFoundError: If the installed MMDetection has no such script.
    """
    tools = mmdet_tools()
    if not tools:
        raise FileNotFoundError(
            'The installed MMDetection carries no scripts: an editable one keeps them in tools/ of its clone.'
        )
    if name not in tools:
        near = difflib.get_close_matches(name, tools, n=3)
        raise FileNotFoundError(f"MMDetection has no script '{name}': did you mean {', '.join(near) or 'another'}?")
    before, sys.argv = sys.argv, [str(tools[name]), *arguments]
    try:
        with allow_checkpoint_classes():
            runpy.run_path(str(tools[name]), run_name='__main__')
    finally:
        sys.argv = before
