"""Finds shipped configs by name."""

import difflib
from pathlib import Path

from mmengine.config import Config

from ..engine import config_from_file

# mim's folder in the package: a link to configs/ in a checkout, a copy in an installation.
CONFIGS = Path(__file__).resolve().parents[1] / '.mim' / 'configs'


def find_config(name: str) -> Path:
    """Path of a shipped config.

    Args:
        name (str): File name without folder, with or without ``.py``, e.g. ``'gen_vlkt_s_hico'``.

    Returns:
        Path: The config file.

    Raises:
        FileNotFoundError: If there is no such config. The message lists similar names.
    """
    shipped = _shipped_configs()
    key = name.removesuffix('.py')
    if key in shipped:
        return shipped[key]
    near = difflib.get_close_matches(key, shipped, n=3, cutoff=0.5)
    other = 'check its path, or give a shipped name such as gen_vlkt_s_hico or gen_vlkt_tiny_minihoi.'
    hint = f'did you mean {" or ".join(near)}?' if near else other
    raise FileNotFoundError(f"Model '{name}' is neither a config file nor a shipped config: {hint}")


def config_file(name: str) -> Path:
    """Path of a config that a command line names: the shipped config of this name if there is no such file.

    Examples:
        >>> config_file('gen_vlkt_s_hico') == find_config('gen_vlkt_s_hico'), config_file('mine.py').name
        (True, 'mine.py')
    """
    return Path(name) if Path(name).is_file() else _shipped_configs().get(name.removesuffix('.py'), Path(name))


def _shipped_configs() -> dict[str, Path]:
    return {p.stem: p for p in sorted(CONFIGS.rglob('*.py')) if '_base_' not in p.parts}


def read_config(model: str) -> Config:
    """Reads a config file, or the shipped config of that name (see :func:`find_config`).

    Raises:
        FileNotFoundError: If there is no such file and no shipped config of that name.
        ConfigError: If the file, which is a program, cannot be run.
    """
    return config_from_file(model if Path(model).is_file() else find_config(model))
