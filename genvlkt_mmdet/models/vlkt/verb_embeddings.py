"""Start of a verb classifier: a file with an embedding of every verb."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from ...files import write_file

_TENSOR = 'verb_embeddings'


def save_verb_embeddings(
    path: str | Path, verbs: Sequence[str], embeddings: Tensor, origin: Mapping[str, str] | None = None
) -> None:
    """Writes embeddings of verbs.

    Args:
        path (str | Path): The ``.safetensors`` file. It is written in one step.
        verbs (Sequence[str]): Names of the V verbs.
        embeddings (Tensor): (V, D).
        origin (Mapping[str, str], optional): Where they come from, kept in the file: CLIP model, dataset, split, rule, date.
    """
    metadata = dict(origin or {}, format='genvlkt verb embeddings', verbs=json.dumps(list(verbs), ensure_ascii=False))
    write_file(Path(path), save({_TENSOR: embeddings.detach().float().cpu().contiguous()}, metadata=metadata))


def load_verb_embeddings(path: str | Path, verbs: Sequence[str]) -> Tensor:
    """Reads the embeddings of verbs from a file that :func:`save_verb_embeddings` wrote.

    Args:
        path (str | Path): The file.
        verbs (Sequence[str]): Names of V verbs, in any order. The file can hold more.

    Returns:
        Tensor: (V, D), float32, as they are in the file: they are not normalised.

    Raises:
        FileNotFoundError: If the file does not exist.
        ValueError: If it is no such file, lacks a verb, or has a row that is not finite.
    """
    remedy = (
        'make it with `genvlkt data verb-embeddings`, or start without it: verb_embeddings=None of the HOI classifier'
    )
    if not Path(path).is_file():
        raise FileNotFoundError(f"The file of verb embeddings '{path}' does not exist: {remedy}.")
    try:
        with safe_open(str(path), framework='pt') as file:
            embeddings, known = file.get_tensor(_TENSOR), json.loads((file.metadata() or {})['verbs'])
    except (SafetensorError, KeyError, ValueError) as error:
        raise ValueError(f"'{path}' is no readable file of verb embeddings: {remedy}.") from error
    missing = [verb for verb in verbs if verb not in known]
    if missing:
        raise ValueError(f"'{path}' lacks {len(missing)} of {len(verbs)} verbs, first '{missing[0]}': {remedy}.")
    rows = embeddings[[known.index(verb) for verb in verbs]].float()
    broken = [verb for verb, row in zip(verbs, rows, strict=True) if not torch.isfinite(row).all()]
    if broken:
        raise ValueError(f"'{path}' has an embedding of '{broken[0]}' that is not finite: {remedy}.")
    return rows
