"""Turns an error while a part of a config is built or checked into one sentence about the setting."""

import difflib
import functools
import inspect
import re
import sysconfig
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import mmdet.registry
import mmengine.registry
import torch
from mmengine.config import Config
from mmengine.registry import Registry

from .checkpoints import CheckpointError

# Folders of installed code. An error from any other file is a fault of the user's own code, and keeps its traceback.
_INSTALLED = (
    *(sysconfig.get_path(kind) for kind in ('stdlib', 'purelib', 'platlib')),
    *(str(Path(file).parent) for file in (mmdet.__file__, mmengine.__file__)),
    str(Path(__file__).parents[1]),
    '<',  # code without a file
)


class ConfigError(ValueError):
    """A config that cannot be run. The message is one sentence for the user."""


def config_name(cfg: Config) -> str:
    """Name of a config for messages: that of its file, or 'given'."""
    file = getattr(cfg, 'filename', None)
    return Path(file).name if file else 'given'


def registries() -> list[Registry]:
    """Lists the registries of mmdet and mmengine."""
    found = [*vars(mmdet.registry).values(), *vars(mmengine.registry).values()]
    return [registry for registry in found if isinstance(registry, Registry)]


def one_line(text: object) -> str:
    """Text on one line."""
    return ' '.join(str(text).split())


def did_you_mean(name: str, known: Iterable[str], otherwise: str = '.') -> str:
    """End of a sentence about an unknown name: the nearest known one."""
    near = difflib.get_close_matches(name, list(known), n=1)
    return f': did you mean {near[0]}?' if near else otherwise


def explained(call: Callable[[], Any], path: str) -> Any:
    """Calls a function that builds or checks a part of a config, and turns its errors into one sentence.

    Args:
        call (Callable): The function.
        path (str): Where the part is in the config.

    Returns:
        Any: What ``call`` returns.

    Raises:
        ConfigError: If a setting is unknown or impossible. A ``ValueError``, which a class raises about its arguments, keeps
            its text after ``path``. Other errors are described.
        Exception: As ``call`` raises it, if it is a missing file, a checkpoint that cannot be used, another error of the
            system, or a fault in code that is not installed, i.e. in the user's own.
    """
    try:
        return call()
    except (CheckpointError, ConfigError, torch.OutOfMemoryError, MemoryError):
        raise
    except Exception as error:
        text = one_line(error.args[0] if isinstance(error, KeyError) and error.args else error)
        if isinstance(error, OSError) and not isinstance(error, (PermissionError, FileExistsError)):
            raise
        if unknown := re.match(r'(\S+) is not in the .+? registry', text):
            names = [name for registry in registries() for name in registry.module_dict]
            sentence = f"no part is registered as '{unknown[1]}'{did_you_mean(unknown[1], names)}"
        elif isinstance(error, (ValueError, ImportError, OSError)) or (isinstance(error, KeyError) and ' ' in text):
            sentence = text
        elif not (sentence := _unknown_argument(error)):
            if not (place := place_in_installed_code(error)):
                raise
            raise ConfigError(
                f'{path} cannot be built from its settings: {type(error).__name__}: {text} ({place})'
            ) from error
        raise ConfigError(f'{path}: {sentence}') from error


def place_in_installed_code(error: Exception) -> str | None:
    """File and line where an error was raised. None if that is in the user's own code."""
    # Compiled code names files that are not there.
    frames = traceback.extract_tb(error.__traceback__)
    frame = [f for f in frames if f.filename.startswith('<') or Path(f.filename).exists()][-1]
    return f'{frame.filename}:{frame.lineno}' if frame.filename.startswith(_INSTALLED) else None


def _unknown_argument(error: Exception) -> str | None:
    """A sentence about a setting that a class or function does not have. None for any other error."""
    found = re.search(r"([\w.]+)\(\) got an unexpected keyword argument '(\w+)'", str(error))
    if not found:
        return None
    first, *rest = found[1].removesuffix('.__init__').split('.')
    called: Any = None
    for frame, _ in traceback.walk_tb(error.__traceback__):
        named = functools.reduce(lambda part, key: getattr(part, key, None), rest, frame.f_globals.get(first))
        # The innermost is the one that was called. The first is what mmengine's build function calls.
        for part in (frame.f_locals.get('obj_cls'), named):
            is_base = inspect.isclass(called) and inspect.isclass(part) and issubclass(called, part)
            if callable(part) and not is_base:
                called = part
    signed = [called] if callable(called) else []
    if inspect.isclass(called):
        signed = [vars(base)['__init__'] for base in called.__mro__[:-1] if '__init__' in vars(base)]
    known = {'type'} | {key for function in signed for key in inspect.signature(function).parameters}
    name = getattr(called, '__name__', first)
    return f"{name} has no setting '{found[2]}'{did_you_mean(found[2], sorted(known - {'self', 'args', 'kwargs'}))}"
