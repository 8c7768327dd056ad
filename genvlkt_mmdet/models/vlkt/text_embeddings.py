"""Text embeddings of CLIP, computed once and stored in safetensors files together with prompts and model."""

import hashlib
import json
import logging
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

import torch
from mmengine.logging import print_log
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from ...files import write_file
from .clip_source import CLIPSource

_TENSOR = 'text_embeddings'
_BATCH = 1024  # a whole vocabulary fits into one batch


class StaleCacheError(ValueError):
    """A file of text embeddings was made with other prompts or another CLIP model."""


class MissingPromptsError(StaleCacheError):
    """A file of text embeddings was made with the right CLIP model, but lacks a prompt."""


def encode_text(prompts: Sequence[str], clip: Mapping[str, Any] | str | CLIPSource) -> Tensor:
    """Returns the embeddings of prompts, exactly as ``open_clip``'s ``encode_text`` computes them.

    They initialise both classifiers (GEN-VLKT, Sec. 3.3, Eq. 7) and are the class weights of new classes of an open
    vocabulary. They are stored in the file that ``clip['text_embeddings']`` names. Without that setting, they are stored in
    the folder ``text_embeddings`` below ``GENVLKT_CACHE`` (default ``~/.cache/genvlkt``), if it can be written. With such a
    file, the CLIP weights are not needed. A file that does not fit is refused if it was named, and made again in the cache
    folder.

    Args:
        prompts (Sequence[str]): N texts, e.g. ``'a photo of a person riding a horse'``.
        clip (Mapping | str | CLIPSource): The ``clip`` setting, see :meth:`CLIPSource.from_cfg`.

    Returns:
        Tensor: Embeddings (N, D), float32, on the CPU, not normalised. D is the embedding width of the model.

    Raises:
        StaleCacheError: If the named file was made with other prompts or another model.
        FileNotFoundError: If neither embeddings nor weights are on this machine and the weights cannot be downloaded.
        ValueError: If no prompt is given or the setting is wrong.
    """
    if isinstance(prompts, str) or not len(prompts):
        raise ValueError('encode_text needs a list of at least one prompt.')
    prompts = [str(p) for p in prompts]
    source = CLIPSource.from_cfg(clip)
    named = source.text_embeddings is not None
    path = source.text_embeddings or _cache_path(prompts, source)
    try:
        if path.exists():
            return load_text_embeddings(path, prompts, source)
    except (StaleCacheError, OSError) as error:
        if named:
            raise
        # The cache is optional: a file that cannot be used is like none.
        print_log(f"Text embeddings kept in '{path}' are computed again: {error}", 'current', logging.WARNING)
    embeddings = compute_text_embeddings(prompts, source)
    try:
        save_text_embeddings(path, prompts, embeddings, source)
    except OSError as error:
        if named:
            raise
        print_log(f'Text embeddings are not kept for the next time: {error}', 'current', logging.WARNING)
    return embeddings


class KeptTextEncoder:
    """Encodes new prompts for a program that runs for long: the CLIP model stays loaded, and nothing is written.

    :func:`encode_new_text` writes a file for every list of prompts, so the users of a service could fill the disk with them.
    Not safe for threads.

    Args:
        clip (Mapping | str | CLIPSource): The ``clip`` setting.
        max_prompts (int): Number of prompts whose embeddings are kept, the last ones used. 10,000 take 20 MB at a width of 512.
    """

    def __init__(self, clip: Mapping[str, Any] | str | CLIPSource, max_prompts: int = 10_000) -> None:
        self._source = CLIPSource.from_cfg(clip)
        self._max_prompts = max_prompts
        self._kept: dict[str, Tensor] = {}  # the last one used is at the end
        self._loaded: tuple[nn.Module, Callable[[Sequence[str]], Tensor]] | None = None

    def __call__(self, prompts: Sequence[str]) -> Tensor:
        """Arguments, result and errors are as for :func:`encode_new_text`."""
        if new := [prompt for prompt in dict.fromkeys(prompts) if prompt not in self._kept]:
            self._kept.update((prompt, row.clone()) for prompt, row in zip(new, self._encode(new), strict=True))
        for prompt in prompts:
            self._kept[prompt] = self._kept.pop(prompt)
        embeddings = torch.stack([self._kept[prompt] for prompt in prompts])
        for prompt in list(self._kept)[: max(0, len(self._kept) - self._max_prompts)]:
            del self._kept[prompt]
        return embeddings

    def _encode(self, prompts: Sequence[str]) -> Tensor:
        if (file := self._source.text_embeddings) is not None:
            try:
                return load_text_embeddings(file, prompts, self._source)
            except MissingPromptsError:
                if self._source.local_weights() is None:
                    raise
        if self._loaded is None:
            self._loaded = self._source.load_model(), self._source.load_tokenizer()
        return _encode(*self._loaded, prompts)


#: What encodes new phrases: the ``clip`` setting, or an encoder that keeps its model.
CLIPSetting: TypeAlias = Mapping[str, Any] | KeptTextEncoder


def encode_new_text(prompts: Sequence[str], clip: Mapping[str, Any] | str | CLIPSource | KeptTextEncoder) -> Tensor:
    """Returns the embeddings of new prompts of an open vocabulary.

    As :func:`encode_text`, except that a named file can lack the prompts, because it was made for the training, if the CLIP
    model itself is on this machine.
    """
    if isinstance(clip, KeptTextEncoder):
        return clip(prompts)
    source = CLIPSource.from_cfg(clip)
    try:
        return encode_text(prompts, source)
    except MissingPromptsError:
        if source.local_weights() is None:
            raise
        return encode_text(prompts, replace(source, text_embeddings=None))


def compute_text_embeddings(prompts: Sequence[str], clip: Mapping[str, Any] | str | CLIPSource) -> Tensor:
    """Encodes prompts with the model itself, without any cache. Arguments and result are as for :func:`encode_text`."""
    source = CLIPSource.from_cfg(clip)
    return _encode(source.load_model(), source.load_tokenizer(), prompts)


@torch.no_grad()
def _encode(model: nn.Module, tokenizer: Callable[[Sequence[str]], Tensor], prompts: Sequence[str]) -> Tensor:
    chunks = [model.encode_text(tokenizer(list(prompts[i : i + _BATCH]))) for i in range(0, len(prompts), _BATCH)]
    return torch.cat(chunks).float()


def save_text_embeddings(
    path: str | Path, prompts: Sequence[str], embeddings: Tensor, clip: Mapping[str, Any] | str | CLIPSource
) -> None:
    """Writes embeddings together with the prompts, the name of the model and the SHA-256 of its weights.

    Args:
        path (str | Path): The ``.safetensors`` file. It is written in one step.
        prompts (Sequence[str]): N texts.
        embeddings (Tensor): (N, D), not normalised.
        clip (Mapping | str | CLIPSource): The ``clip`` setting of the model that computed them.
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
    """Reads the embeddings of prompts from a file that :func:`save_text_embeddings` wrote.

    Args:
        path (str | Path): The file.
        prompts (Sequence[str]): N texts, in any order. The file can hold more.
        clip (Mapping | str | CLIPSource): The ``clip`` setting of the model that must have computed them.

    Returns:
        Tensor: As of :func:`encode_text`.

    Raises:
        StaleCacheError: If the file was made with another model or other weights (checked if the weights are on this
            machine), or is no such file. A ``MissingPromptsError`` if it lacks a prompt.
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
    # Two weights files of the same name must not overwrite each other's embeddings.
    local = source.weights is not None and source.fingerprint()
    key = hashlib.sha256(json.dumps([source.label, local, list(prompts)]).encode()).hexdigest()
    slug = ''.join(c if c.isalnum() or c in '-_.' else '_' for c in source.label)
    return root / 'text_embeddings' / f'{slug}-{key[:16]}.safetensors'
