"""Text embeddings of CLIP: computed once, kept in a safetensors file that knows what it holds."""

import hashlib
import json
import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from mmengine.logging import print_log
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from ...files import write_file
from .clip_source import CLIPSource

_TENSOR = 'text_embeddings'
_BATCH = 1024  # so large that a vocabulary goes through as one, which is how open_clip itself is called


class StaleCacheError(ValueError):
    """A file of text embeddings was made with other prompts or another CLIP model than the ones asked for."""


class MissingPromptsError(StaleCacheError):
    """A file of text embeddings is of the right CLIP model, but lacks a prompt that is asked for."""


def encode_text(prompts: Sequence[str], clip: Mapping[str, Any] | str | CLIPSource) -> Tensor:
    """Embeddings of prompts by the text tower of a CLIP model, exactly as ``open_clip``'s ``encode_text`` gives them.

    They initialise the HOI and the object classifier (GEN-VLKT, Sec. 3.3, Eq. 7) and become classifier rows for an open
    vocabulary. Results are kept: in the file that ``clip['text_embeddings']`` names, or in the folder
    ``text_embeddings`` below ``GENVLKT_CACHE`` (default ``~/.cache/genvlkt``) where that can be written. With such a
    file the CLIP weights are not needed. A named file is refused when it does not fit; one in the cache folder is made
    anew.

    Args:
        prompts (Sequence[str]): N texts, e.g. ``'a photo of a person riding a horse'``.
        clip (Mapping | str | CLIPSource): The ``clip`` setting, see :meth:`CLIPSource.from_cfg`.

    Returns:
        Tensor: Embeddings (N, D), float32, CPU, not normalised; D is the embedding width of the model.

    Raises:
        StaleCacheError: If the named file was made with other prompts or another model.
        FileNotFoundError: If neither embeddings nor weights are here and the weights cannot be downloaded.
        ValueError: If no prompt is given or the setting is wrong.
    """
    if isinstance(prompts, str) or not len(prompts):
        raise ValueError('encode_text needs a list of at least one prompt.')
    prompts = [str(p) for p in prompts]
    source = CLIPSource.from_cfg(clip)
    if source.text_embeddings is not None and source.text_embeddings.exists():
        return load_text_embeddings(source.text_embeddings, prompts, source)
    path = source.text_embeddings or _cache_path(prompts, source)
    if source.text_embeddings is None:
        try:
            if path.exists():
                return load_text_embeddings(path, prompts, source)
        except StaleCacheError as error:
            print_log(f'{error} It is made anew.', logger='current', level=logging.WARNING)
        except OSError as error:  # the cache is optional: a folder that may not be read is as good as an empty one
            print_log(f"Text embeddings kept in '{path}' cannot be read ({error}).", 'current', logging.WARNING)
    embeddings = compute_text_embeddings(prompts, source)
    try:
        save_text_embeddings(path, prompts, embeddings, source)
    except OSError as error:
        if source.text_embeddings is not None:
            raise
        print_log(f'Text embeddings are not kept for the next time: {error}', 'current', logging.WARNING)
    return embeddings


def encode_new_text(prompts: Sequence[str], clip: Mapping[str, Any] | str | CLIPSource) -> Tensor:
    """Embeddings of prompts that come up after training, for an open vocabulary.

    As :func:`encode_text`; only that a named file of text embeddings, made for the training, may lack them where the CLIP
    model itself is on this machine.

    Args:
        prompts (Sequence[str]): N texts.
        clip (Mapping | str | CLIPSource): The ``clip`` setting.

    Returns:
        Tensor: Embeddings (N, D), float32, CPU, not normalised.

    Raises:
        StaleCacheError: If the named file does not fit, or lacks a prompt and the model is not here.
        FileNotFoundError: If neither embeddings nor weights are here and the weights cannot be downloaded.
    """
    source = CLIPSource.from_cfg(clip)
    try:
        return encode_text(prompts, source)
    except MissingPromptsError:
        if source.local_weights() is None:
            raise
        return encode_text(prompts, replace(source, text_embeddings=None))


@torch.no_grad()
def compute_text_embeddings(prompts: Sequence[str], clip: Mapping[str, Any] | str | CLIPSource) -> Tensor:
    """Encodes prompts with the model itself, without looking at or writing any cache.

    Args:
        prompts (Sequence[str]): N texts.
        clip (Mapping | str | CLIPSource): The ``clip`` setting.

    Returns:
        Tensor: Embeddings (N, D), float32, CPU, not normalised.

    Raises:
        FileNotFoundError: If the weights are not here and cannot be downloaded.
    """
    source = CLIPSource.from_cfg(clip)
    model, tokenizer = source.load_model(), source.load_tokenizer()
    chunks = [model.encode_text(tokenizer(list(prompts[i : i + _BATCH]))) for i in range(0, len(prompts), _BATCH)]
    return torch.cat(chunks).float()


def save_text_embeddings(
    path: str | Path, prompts: Sequence[str], embeddings: Tensor, clip: Mapping[str, Any] | str | CLIPSource
) -> None:
    """Writes embeddings with what made them: model, SHA-256 of the weights, prompts.

    Args:
        path (str | Path): The ``.safetensors`` file; replaced in one step, so that a reader never sees half of it.
        prompts (Sequence[str]): N texts.
        embeddings (Tensor): (N, D), not normalised.
        clip (Mapping | str | CLIPSource): The ``clip`` setting they come from.

    Raises:
        OSError: If the file cannot be written.
    """
    source, path = CLIPSource.from_cfg(clip), Path(path)
    metadata = dict(
        format='genvlkt text embeddings',
        model=source.label,
        weights_sha256=source.fingerprint() or '',
        prompts=json.dumps(list(prompts), ensure_ascii=False),
    )
    write_file(path, save({_TENSOR: embeddings.detach().float().cpu().contiguous()}, metadata=metadata))


def load_text_embeddings(
    path: str | Path, prompts: Sequence[str], clip: Mapping[str, Any] | str | CLIPSource
) -> Tensor:
    """Reads the rows of some prompts from a file that :func:`save_text_embeddings` wrote.

    Args:
        path (str | Path): The file.
        prompts (Sequence[str]): N texts, in any order; the file may hold more.
        clip (Mapping | str | CLIPSource): The ``clip`` setting they should come from.

    Returns:
        Tensor: Embeddings (N, D), float32, CPU, not normalised.

    Raises:
        StaleCacheError: If the file is of another model, of other weights (checked where the weights are on this
            machine) or is no such file; a ``MissingPromptsError`` if it lacks a prompt.
    """
    source = CLIPSource.from_cfg(clip)
    remedy = 'make it again with tools/extract_text_embeddings.py'
    try:
        with safe_open(str(path), framework='pt') as file:
            metadata, embeddings = file.metadata() or {}, file.get_tensor(_TENSOR)
        known = {prompt: row for row, prompt in enumerate(json.loads(metadata['prompts']))}
        made_by, digest = metadata['model'], metadata['weights_sha256']
    except (SafetensorError, KeyError, ValueError) as error:
        raise StaleCacheError(f"'{path}' is no readable file of text embeddings; {remedy}.") from error
    expected = source.fingerprint()
    if expected is None and made_by != source.label:
        raise StaleCacheError(f"'{path}' holds embeddings of CLIP '{made_by}', not of '{source.label}'; {remedy}.")
    if expected is not None and digest != expected:
        raise StaleCacheError(
            f"'{path}' holds embeddings of CLIP '{made_by}' with other weights than those of '{source.label}' here; "
            f'{remedy}.'
        )
    missing = [p for p in prompts if p not in known]
    if missing:
        raise MissingPromptsError(
            f"'{path}' was made with other prompts: it lacks {len(missing)} of {len(prompts)}, first '{missing[0]}'; "
            f'{remedy}.'
        )
    return embeddings[[known[p] for p in prompts]].float()


def _cache_path(prompts: Sequence[str], source: CLIPSource) -> Path:
    root = Path(os.environ.get('GENVLKT_CACHE', '~/.cache/genvlkt')).expanduser()
    # The weights belong to the name: two files of one name must not take turns in overwriting each other's embeddings.
    local = source.weights is not None and source.fingerprint()
    key = hashlib.sha256(json.dumps([source.label, local, list(prompts)]).encode()).hexdigest()
    slug = ''.join(c if c.isalnum() or c in '-_.' else '_' for c in source.label)
    return root / 'text_embeddings' / f'{slug}-{key[:16]}.safetensors'
