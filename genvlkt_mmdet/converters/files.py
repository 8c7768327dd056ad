"""Checkpoint files: loaded safely, whatever wrote them."""

import pickle
import re
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from mmengine.runner import CheckpointLoader
from torch import Tensor

# Training scripts of DETR's family pickle their arguments, and a Path among them.
_DETR_GLOBALS = [
    Namespace,
    type(Path()),
    (type(Path()), 'pathlib.PosixPath'),
    (type(Path()), 'pathlib._local.PosixPath'),
]


def load_checkpoint(path: str) -> Mapping[str, Any]:
    """Loads a checkpoint on the CPU without running code from it.

    Args:
        path (str): File, or any address that mmengine can load.

    Returns:
        Mapping: Its content.

    Raises:
        FileNotFoundError: If the file does not exist.
        ValueError: If it is no checkpoint, or holds objects that safe loading refuses.
    """
    if '://' not in path and not Path(path).is_file():
        raise FileNotFoundError(f"The checkpoint '{path}' does not exist: give the path of an existing file.")
    try:
        with torch.serialization.safe_globals(_DETR_GLOBALS):
            checkpoint = CheckpointLoader.load_checkpoint(path, map_location='cpu')
    except (pickle.UnpicklingError, EOFError, RuntimeError, KeyError, AttributeError) as error:
        refused = re.search(r'GLOBAL ([\w.]+)', str(error))
        if refused:
            raise ValueError(
                f"'{path}' holds an object of {refused[1]}, which safe loading refuses: where the file was made, save the "
                'weights alone, torch.save(dict(model=model.state_dict()), path).'
            ) from error
        raise ValueError(f"'{path}' is no checkpoint of torch, or is damaged: download or copy it again.") from error
    if not isinstance(checkpoint, Mapping):
        raise ValueError(
            f"'{path}' holds a {type(checkpoint).__name__}, not a checkpoint: a dict of weights is expected."
        )
    return checkpoint


def weights_of(checkpoint: Mapping[str, Any]) -> Mapping[str, Tensor]:
    """The weights inside a checkpoint of facebookresearch (``model``) or mmengine (``state_dict``).

    Args:
        checkpoint (Mapping): Content of a checkpoint file; one that is a state dict itself is given back.

    Returns:
        Mapping[str, Tensor]: The state dict, without the ``module.`` that a distributed wrapper puts before its names.

    Raises:
        ValueError: If there are no weights.
    """
    weights = next((checkpoint[key] for key in ('state_dict', 'model') if key in checkpoint), checkpoint)
    if not isinstance(weights, Mapping) or not weights or not all(isinstance(v, Tensor) for v in weights.values()):
        raise ValueError('The checkpoint holds no weights: neither "model" nor "state_dict" is a dict of tensors.')
    return {name.removeprefix('module.'): value for name, value in weights.items()}
